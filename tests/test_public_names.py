from __future__ import annotations

import subprocess
import sys

import pytest

import nbkit

NAMES = [
    "AsyncClient",
    "Client",
    "Media",
    "NbkitError",
    "Result",
    "Run",
    "Schema",
    "Stream",
    "Sweep",
    "__version__",
    "compare",
    "data_uri",
    "endpoint",
    "form",
    "gallery",
    "history",
    "load_ipython_extension",
    "log",
    "read_recipe",
    "repro",
    "serve",
    "table",
    "unload_ipython_extension",
    "vote",
    "watch",
    "webhooks",
    "workflow",
]
HEAVY = ("IPython", "PIL", "aiohttp", "anywidget", "httpx", "ipywidgets", "numpy", "pydantic")
PATCHING = ("nest_asyncio", "nest_asyncio2", "uvloop")


def test_the_public_names_are_these() -> None:
    """Nothing becomes public, or goes away, by accident."""
    assert sorted(nbkit.__all__) == NAMES
    assert dir(nbkit) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_name_can_be_used(name: str) -> None:
    """Every public name leads to the thing that is called so."""
    thing = getattr(nbkit, name)

    assert isinstance(thing, str) or thing.__name__.rpartition(".")[2].lower() == name.lower()


def test_a_misspelt_name_is_told_as_one() -> None:
    """A typing error gives the usual error of Python."""
    with pytest.raises(AttributeError, match="module 'nbkit' has no attribute 'Cleint'"):
        _ = nbkit.Cleint


@pytest.mark.parametrize(
    "statement", ["import nbkit", "import nbkit; dir(nbkit); nbkit.Client; nbkit.Result"]
)
def test_importing_is_light_and_changes_nothing(statement: str) -> None:
    """Importing nbkit, or naming its client, loads no heavy library, starts no thread and patches nothing."""
    program = f"""
import asyncio, sys, threading
task, run = asyncio.Task, asyncio.run
{statement}
found = [name for name in {HEAVY + PATCHING} if name in sys.modules]
assert not found, found
assert asyncio.Task is task and asyncio.run is run and task.__module__ == "_asyncio"
assert threading.active_count() == 1
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
