from __future__ import annotations

import copy
import json
import logging
import os
import pickle
import sys
import traceback
import types
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from nbkit import AsyncClient, Client, credentials
from nbkit.credentials import Key, connect, find_fal_key
from nbkit.errors import CredentialsError, NbkitError
from nbkit.providers import embedded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SECRET = "SECRET-xyz"


class Keyring(types.ModuleType):
    """The system's keyring."""

    def __init__(self, priority: float = 5) -> None:
        super().__init__("keyring")
        self.priority = priority
        self.kept: dict[tuple[str, str], str] = {}
        self.asked = 0

    def get_keyring(self) -> Keyring:
        """The store behind it."""
        return self

    def get_password(self, service: str, name: str) -> str | None:
        """Look something up."""
        self.asked += 1
        return self.kept.get((service, name))

    def set_password(self, service: str, name: str, password: str) -> None:
        """Keep something."""
        if self.priority > 9:
            raise RuntimeError(f"cannot keep {password}")
        self.kept[service, name] = password


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project folder to work in, with files, Colab and keyring looked at, and nothing in them."""
    monkeypatch.delenv("NBKIT_KEYS")
    monkeypatch.setitem(sys.modules, "keyring", None)
    project = tmp_path / "project"
    (project / ".git").mkdir(parents=True)
    monkeypatch.chdir(project)
    forget(monkeypatch)
    yield project
    forget(monkeypatch)


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what was found or typed before."""
    monkeypatch.setattr(credentials, "_typed", {})
    credentials._in_colab.cache_clear()
    credentials._kept.clear()


def colab(monkeypatch: pytest.MonkeyPatch, get: Callable[[str], str | None]) -> None:
    """Be in Colab, with its secrets."""
    package = types.ModuleType("google.colab")
    package.userdata = types.SimpleNamespace(get=get)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "google", types.ModuleType("google"))
    monkeypatch.setitem(sys.modules, "google.colab", package)


@pytest.mark.parametrize(
    ("environ", "value", "source"),
    [
        ({"FAL_KEY": "a"}, "a", "FAL_KEY"),
        ({"FAL_KEY": "a", "FAL_KEY_ID": "i", "FAL_KEY_SECRET": "s"}, "a", "FAL_KEY"),
        ({"FAL_KEY_ID": "i", "FAL_KEY_SECRET": "s"}, "i:s", "FAL_KEY_ID and FAL_KEY_SECRET"),
        ({"FAL_KEY": "", "FAL_KEY_ID": "i", "FAL_KEY_SECRET": "s"}, "i:s", "FAL_KEY_ID and FAL_KEY_SECRET"),
        ({"FAL_KEY": " a\n"}, "a", "FAL_KEY"),
    ],
)
def test_the_environment_is_read_in_fals_order(environ: dict[str, str], value: str, source: str) -> None:
    """`FAL_KEY` comes first, then the pair."""
    key = find_fal_key(None, environ)

    assert key is not None
    assert (key.reveal(), key.source) == (value, source)


def test_what_is_given_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that is passed is used, whatever the environment says."""
    monkeypatch.setenv("FAL_KEY", "from-environment")

    given_key = find_fal_key("given")
    assert given_key is not None
    assert given_key.reveal() == "given"
    assert find_fal_key(given_key) is given_key


@pytest.mark.parametrize("environ", [{}, {"FAL_KEY": ""}, {"FAL_KEY_ID": "i"}, {"FAL_KEY_SECRET": "s"}])
def test_half_a_key_is_none(environ: dict[str, str]) -> None:
    """Without a whole key there is no key."""
    assert find_fal_key(None, environ) is None


def test_places_are_looked_at_in_order(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given, typed, environment, `.env`, Colab, keyring: the first that has a key gives it."""
    keyring = Keyring()
    keyring.kept["nbkit", "fal"] = "of-keyring"
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    colab(monkeypatch, {"FAL_KEY": "of-colab"}.get)
    (elsewhere / ".env").write_text("FAL_KEY_ID=of\nFAL_KEY_SECRET=file\n")
    monkeypatch.setenv("FAL_KEY", "of-environment")
    monkeypatch.setattr(credentials, "_typed", {"fal": Key("of-person", "what was typed")})
    found = [find_fal_key("given"), find_fal_key()]
    forget(monkeypatch)
    found.append(find_fal_key())
    monkeypatch.delenv("FAL_KEY")
    found.append(find_fal_key())
    (elsewhere / ".env").write_text("OTHER=x")
    found.append(find_fal_key())
    monkeypatch.delitem(sys.modules, "google.colab")
    credentials._in_colab.cache_clear()
    found.append(find_fal_key())

    values = ["given", "of-person", "of-environment", "of:file", "of-colab", "of-keyring"]
    assert [key.reveal() if key else None for key in found] == values
    sources = [key.source for key in found if key]
    assert sources[3].startswith("FAL_KEY_ID and FAL_KEY_SECRET in ")
    assert sources[4:] == ["Colab's secret FAL_KEY", "the keyring"]


def test_files_are_read_and_not_exported(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key from a file reaches neither the environment nor the programs that are started."""
    (elsewhere / ".env").write_text(f"FAL_KEY={SECRET}")
    (elsewhere / "deep").mkdir()
    monkeypatch.chdir(elsewhere / "deep")

    key = find_fal_key()
    assert key is not None
    assert key.reveal() == SECRET
    assert SECRET not in str(os.environ)


def test_a_key_that_is_none_names_its_file(elsewhere: Path) -> None:
    """Who wrote nonsense into a file is told which file, and not what stands there."""
    (elsewhere / ".env").write_text(f"FAL_KEY={SECRET} {SECRET}")
    with pytest.raises(CredentialsError, match=r"FAL_KEY in .*\.env is not a key") as caught:
        find_fal_key()

    assert SECRET not in str(caught.value)


def test_the_home_is_not_named(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a key is from can be shown: the home folder, and with it the user's name, is `~` in it."""
    monkeypatch.setenv("HOME", str(elsewhere.parent))
    monkeypatch.setenv("USERPROFILE", str(elsewhere.parent))
    (elsewhere / ".env").write_text("FAL_KEY=a")

    key = find_fal_key()
    assert key is not None
    assert key.source == "FAL_KEY in ~/project/.env"


def test_files_and_keyring_can_be_left_alone(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `NBKIT_KEYS=environment` only the environment is looked at, as a server or a test wants it."""
    (elsewhere / ".env").write_text("FAL_KEY=a")
    monkeypatch.setenv("NBKIT_KEYS", "environment")

    assert find_fal_key() is None


@pytest.mark.usefixtures("elsewhere")
def test_colab_is_asked_once_and_may_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Colab asks its user each time, so it is asked once; a refusal means that there is no key there."""
    asked: list[str] = []

    def get(name: str) -> str:
        asked.append(name)
        raise PermissionError(name)

    colab(monkeypatch, get)

    assert [find_fal_key(), find_fal_key()] == [None, None]
    Client()
    Client("local")
    assert asked == ["FAL_KEY"]


@pytest.mark.usefixtures("elsewhere")
def test_a_keyring_without_a_store_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the keyring cannot be read there is just no key, and it is asked once."""
    broken = types.ModuleType("keyring")
    monkeypatch.setitem(sys.modules, "keyring", broken)
    assert find_fal_key() is None

    forget(monkeypatch)
    keyring = Keyring()
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    assert [find_fal_key(), find_fal_key()] == [None, None]
    assert keyring.asked == 1


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize(("answer", "kept"), [("y", SECRET), ("YES ", SECRET), ("", None), ("n", None)])
def test_a_typed_key_is_kept_where_its_owner_wishes(
    answer: str, kept: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that is typed is used at once; it goes into the keyring only after a yes."""
    keyring = Keyring()
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    told = connect(lambda _question: SECRET, lambda _question: answer)

    key = find_fal_key()
    assert key is not None
    assert key.reveal() == SECRET
    assert keyring.kept.get(("nbkit", "fal")) == kept
    assert SECRET not in told
    forget(monkeypatch)
    assert bool(find_fal_key()) == bool(kept)


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("priority", [None, 0])
def test_without_a_keyring_nothing_is_offered(
    priority: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is nothing to keep a key in, it is used and not kept; or it is not even asked for."""
    monkeypatch.setitem(sys.modules, "keyring", None if priority is None else Keyring(priority))

    assert "until this session ends" in connect(lambda _question: SECRET, pytest.fail)
    with pytest.raises(CredentialsError, match="no keyring"):
        connect(pytest.fail, pytest.fail, needs_keyring=True)


@pytest.mark.usefixtures("elsewhere")
def test_a_keyring_that_fails_does_not_tell_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a broken store says about a key is not passed on."""
    monkeypatch.setitem(sys.modules, "keyring", Keyring(10))
    with pytest.raises(CredentialsError, match="RuntimeError") as caught:
        connect(lambda _question: SECRET, lambda _question: "y")

    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("typed", ["", f"{SECRET} {SECRET}"])
def test_a_slip_while_typing_is_not_shown(typed: str) -> None:
    """What cannot be a key is refused without repeating it."""
    with pytest.raises(CredentialsError, match="what was typed") as caught:
        connect(lambda _question: typed, lambda _question: "n")

    assert SECRET not in str(caught.value)


@pytest.mark.usefixtures("elsewhere")
def test_without_a_key_and_without_a_server_both_ways_out_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has neither a key nor local models reads how to get either."""
    monkeypatch.setattr(embedded, "_running", None)
    monkeypatch.setattr(embedded, "NEEDED", ("no_such_library",))
    with Client() as client, pytest.raises(CredentialsError) as caught:
        client.run("fal-ai/flux/schnell", {"prompt": "a cat"})

    assert all(word in str(caught.value) for word in ("FAL_KEY", "connect fal", "nbkit-media[local]"))
    with Client("fal") as client, pytest.raises(CredentialsError, match="connect fal"):
        client.run("fal-ai/flux/schnell", {"prompt": "a cat"})


@pytest.mark.parametrize(
    "value", ["", "  ", f"{SECRET} x", f"{SECRET}\r\nx-evil: 1", f"{SECRET}\x00", f"{SECRET}é"]
)
def test_what_cannot_be_a_key_is_refused_without_showing_it(value: str) -> None:
    """A key with a line break could smuggle header fields; the message names where it is from, not what it is."""
    with pytest.raises(CredentialsError, match="FAL_KEY") as caught:
        Key(value, "FAL_KEY")

    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        format,
        "%s".__mod__,
        lambda key: repr([key]),
        lambda key: repr({"key": key}),
        lambda key: json.dumps({"key": key}, default=repr),
        lambda key: logging.LogRecord("n", 20, "f", 1, "%s", (key,), None).getMessage(),
    ],
)
def test_a_key_does_not_show_itself(show: Callable[[Key], str]) -> None:
    """However it is written down, only where it came from can be read."""
    assert SECRET not in show(Key(SECRET, "FAL_KEY"))
    assert "FAL_KEY" in show(Key(SECRET, "FAL_KEY"))


@pytest.mark.parametrize(
    "write", [pickle.dumps, json.dumps, copy.copy, copy.deepcopy, vars, bytes, len, iter]
)
def test_a_key_cannot_be_written_away(write: Callable[[Any], Any]) -> None:
    """It goes into no file, no copy and no dictionary of attributes."""
    with pytest.raises(TypeError) as caught:
        write(Key(SECRET, "key="))

    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_client_does_not_show_its_key(kind: type[Client | AsyncClient]) -> None:
    """Printing a client, or all that it holds, gives no key away."""
    client = kind("fal", key=SECRET)

    assert SECRET not in repr(client)
    assert SECRET not in repr(vars(client))
    assert SECRET not in repr([vars(part) for part in (client._calls, client._calls.session)])


@given(st.text())
def test_whatever_is_pasted_it_is_a_key_or_an_error_of_ours(text: str) -> None:
    """No text makes anything but a usable header value or a clear refusal."""
    try:
        key = Key(text, "key=")
    except NbkitError:
        return
    assert key.reveal().encode("ascii").isspace() is False
    assert "\n" not in key.reveal()


def test_the_keys_that_are_held_are_known(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever must not be written down is known: keys of every service, and the secret half of fal's."""
    keyring = Keyring()
    keyring.kept["nbkit", "fal"] = "kept-in-the-keyring"
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    (elsewhere / ".env").write_text(
        "DIFY_CAT_API_KEY=app-of-the-cat\nDIFY_CAT_BASE_URL=https://dify.example\n"
    )
    environ = {
        "FAL_KEY": "an-id:the-secret-half",
        "SOME_TOKEN": "token-of-another",
        "SSH_KEY": "/home/somebody/.ssh/id",
        "DB_PASSWORD": "short",
        "HOME": "/home/somebody",
    }
    held = {"an-id:the-secret-half", "the-secret-half", "token-of-another", "app-of-the-cat"}

    assert credentials.held_keys(environ) == held
    assert keyring.asked == 0
    assert credentials.held_keys(environ, with_keyring=True) == held | {"kept-in-the-keyring"}
