from __future__ import annotations

import io
import sys
import types
from typing import TYPE_CHECKING

import pytest

from nbkit import credentials
from nbkit.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "SECRET-xyz"


class Terminal(io.StringIO):
    """A terminal that somebody sits at."""

    def isatty(self) -> bool:
        """Yes."""
        return True


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """What the system's keyring keeps."""
    kept: dict[str, str] = {}
    module = types.ModuleType("keyring")
    module.get_keyring = lambda: types.SimpleNamespace(priority=5)  # type: ignore[attr-defined]
    module.get_password = lambda service, name: kept.get(f"{service}/{name}")  # type: ignore[attr-defined]
    module.set_password = lambda service, name, value: kept.update({f"{service}/{name}": value})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", module)
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(credentials, "_typed", None)
    yield kept
    credentials._in_keyring.cache_clear()


def test_a_key_is_kept(
    keyring: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`nbkit connect fal` asks for the key and keeps it, and prints nothing of it."""
    monkeypatch.setattr("getpass.getpass", lambda _question: SECRET)

    assert main(["connect", "fal"]) == 0
    assert keyring == {"nbkit/fal": SECRET}
    assert SECRET not in "".join(capsys.readouterr())


def test_nothing_typed_keeps_nothing(keyring: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-D and an empty line leave everything as it was."""

    def end(_question: str) -> str:
        raise EOFError

    monkeypatch.setattr("getpass.getpass", end)
    assert main(["connect", "fal"]) == 1
    monkeypatch.setattr("getpass.getpass", lambda _question: "")
    assert main(["connect", "fal"]) == 1
    assert keyring == {}


def test_a_key_is_not_read_from_a_pipe(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a terminal what is typed would be shown, so it is not asked for."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(SECRET))

    assert main(["connect", "fal"]) == 1
    assert "FAL_KEY" in capsys.readouterr().err


def test_without_a_keyring_the_other_ways_are_named(
    keyring: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A key that could not be kept is not even asked for."""
    assert keyring == {}
    monkeypatch.setitem(sys.modules, "keyring", None)

    assert main(["connect", "fal"]) == 1
    assert ".env" in capsys.readouterr().err
