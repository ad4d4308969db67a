from __future__ import annotations

import copy
import importlib
import inspect
import pickle
import pkgutil
import subprocess
import sys

import pytest

import nbkit
from nbkit import errors
from nbkit.errors import ConnectionFailed, InputError, NbkitError, RunFailed, RunTimeout, ServiceError

TREE = [thing for _, thing in inspect.getmembers(errors, inspect.isclass) if issubclass(thing, NbkitError)]
CLIENT_SIDE = ("client", "history", "model", "providers", "transport", "wire", "config", "credentials")


def example(kind: type[NbkitError]) -> NbkitError:
    """One error of a kind, with all it may hold."""
    return kind("it went wrong", hint="try again")


@pytest.mark.parametrize("kind", TREE)
def test_every_error_is_in_the_drawn_tree(kind: type[NbkitError]) -> None:
    """The page about errors names each error that there is."""
    assert f"─ {kind.__name__} " in (errors.__doc__ or "") or kind is NbkitError


def test_no_error_hides_elsewhere() -> None:
    """One import gives every error that a call can raise."""
    hidden = []
    for room in CLIENT_SIDE:
        start = importlib.import_module(f"nbkit.{room}")
        parts = pkgutil.walk_packages(getattr(start, "__path__", []), f"nbkit.{room}.")
        for name in (start.__name__, *(part.name for part in parts)):
            members = inspect.getmembers(importlib.import_module(name), inspect.isclass)
            hidden += [it for _, it in members if issubclass(it, NbkitError) and it not in TREE]

    assert not hidden


@pytest.mark.parametrize("kind", TREE)
def test_an_error_says_what_happened_and_what_to_do(kind: type[NbkitError]) -> None:
    """The text has the message and the advice."""
    assert str(example(kind)) == "it went wrong\n  → try again"
    assert str(kind("alone")) == "alone"


@pytest.mark.parametrize("kind", TREE)
def test_a_notebook_shows_the_message_alone(kind: type[NbkitError]) -> None:
    """Two lines in a notebook, not sixty of traceback."""
    assert example(kind)._render_traceback_() == [f"{kind.__name__}: it went wrong", "  → try again"]


def test_ipython_shows_it_so() -> None:
    """IPython itself takes the short form."""
    program = "from nbkit.errors import InputError; raise InputError('no', hint='yes')"
    shell = [
        sys.executable,
        "-m",
        "IPython",
        "--colors=NoColor",
        "--HistoryManager.enabled=False",
        "-c",
        program,
    ]
    done = subprocess.run(shell, capture_output=True, text=True, check=False)

    assert done.stdout.splitlines()[-2:] == ["InputError: no", "  → yes"]
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize("kind", TREE)
def test_errors_travel_between_processes(kind: type[NbkitError]) -> None:
    """An error raised in a worker process arrives whole."""
    error = example(kind)
    error.add_note("a note")
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):  # noqa: S301
        assert type(twin) is kind
        assert str(twin) == str(error)
        assert vars(twin) == vars(error)


def test_errors_are_caught_by_what_they_are() -> None:
    """`except TimeoutError` and `except NbkitError` both catch a run that took too long."""
    assert issubclass(RunTimeout, TimeoutError)
    assert issubclass(errors.ValidationFailed, ServiceError)
    assert nbkit.NbkitError is NbkitError


def test_errors_keep_their_facts() -> None:
    """What a program wants to know stands in attributes."""
    assert InputError("x", field="seed").field == "seed"
    assert ConnectionFailed("x", address="http://a").address == "http://a"
    failed = RunFailed("x", status=422, error_type="t", field_errors={"a": "b"}, node="n", request_id="r")
    assert (failed.status, failed.error_type, failed.field_errors) == (422, "t", {"a": "b"})
    assert (failed.node, failed.request_id, failed.endpoint) == ("n", "r", "")
