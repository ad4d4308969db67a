from __future__ import annotations

import io
import sys
import tomllib
import types
from typing import TYPE_CHECKING

import pytest

from nbkit import credentials
from nbkit.cli import main
from nbkit.config import config_file
from nbkit.providers.dify_connection import find_connection

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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
    monkeypatch.setattr(credentials, "_typed", {})
    yield kept
    credentials._kept.clear()


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


def test_an_app_of_dify_is_connected(
    keyring: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """`nbkit connect dify NAME` keeps the address in the settings and the key in the keyring, and the app answers."""
    monkeypatch.delenv("NBKIT_KEYS")
    monkeypatch.chdir(tmp_path)
    asked: list[str] = []

    def type_key(question: str) -> str:
        asked.append(question)
        return SECRET

    monkeypatch.setattr("getpass.getpass", type_key)
    assert main(["connect", "dify", "my-cat", "--base-url", "https://dify.example"]) == 0
    found = find_connection("my-cat")

    assert (found.place.base, found.key.reveal()) == ("https://dify.example/v1", SECRET)
    assert asked == ["key for dify/my-cat at https://dify.example/v1 (it is not shown): "]
    assert keyring == {"nbkit/dify/my-cat https://dify.example/v1": SECRET}
    assert tomllib.loads(config_file().read_text()) == {
        "dify": {"my-cat": {"base_url": "https://dify.example/v1"}}
    }
    assert SECRET not in "".join(capsys.readouterr())
    assert main(["connect", "dify", "my-cat"]) == 0
    assert find_connection("my-cat").place.base == "https://dify.example/v1"
    assert main(["connect", "dify"]) == 0
    assert find_connection("default").place.base == "https://api.dify.ai/v1"
    assert main(["connect", "dify", "../x"]) == 1


def test_an_app_whose_key_is_in_the_environment(
    keyring: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `--key-env` no key is asked for, and none is kept anywhere."""
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.setenv("CAT", SECRET)
    arguments = ["connect", "dify", "my-cat", "--base-url", "https://dify.example"]
    assert main(arguments) == 1
    assert main([*arguments, "--key-env", SECRET]) == 1
    assert main([*arguments, "--key-env", "CAT"]) == 0

    assert find_connection("my-cat").key.reveal() == SECRET
    assert keyring == {}
    assert SECRET not in config_file().read_text()


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
