from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from IPython.core.error import StdinNotImplementedError, UsageError

from nbkit import credentials
from nbkit.errors import CredentialsError
from nbkit.magics.known import ENDPOINTS, LOCAL, STAND_INS
from nbkit.server.endpoints import own_endpoints

if TYPE_CHECKING:
    from pathlib import Path

    from tests.magics.conftest import Shell


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("", ["%%generate", "%nbkit doctor"]),
        ("help", ["%%generate"]),
        ("models", ["local/collage", "fal-ai/flux/schnell", "stand-in"]),
        ("config", ["default endpoint", "local/collage", "none: local models answer"]),
        ("doctor", ["weights", "Cancel button"]),
    ],
)
def test_each_subcommand_tells_what_it_says(shell: Shell, command: str, words: list[str]) -> None:
    """Help, models, settings and the check-up are tables that read in a terminal, too."""
    text = shell.cell(f"%nbkit {command}").outputs[0].data["text/plain"]

    assert all(word in text for word in words)


def test_keys_are_never_shown(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings say where a key comes from, never what it is."""
    monkeypatch.setenv("FAL_KEY", "abc:topsecret")
    shown = [
        output.data for command in ("config", "doctor") for output in shell.cell(f"%nbkit {command}").outputs
    ]

    assert "from FAL_KEY" in str(shown)
    assert "topsecret" not in str(shown)


def test_a_key_is_asked_for_and_used(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """`%nbkit connect fal` asks without showing what is typed, and from then on there is a key."""
    monkeypatch.setattr(credentials, "_typed", {})
    monkeypatch.setitem(sys.modules, "keyring", None)
    monkeypatch.setattr("getpass.getpass", lambda _question: "abc:topsecret")
    shown = shell.cell("%nbkit  connect fal")

    assert "used until this session ends" in shown.outputs[0].data["text/plain"]
    assert "from what was typed" in str(shell.cell("%nbkit config").outputs[0].data)
    assert "topsecret" not in str([output.data for output in shown.outputs]) + shown.stdout + shown.stderr


def test_an_app_of_dify_is_connected(shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`%nbkit connect dify NAME` asks for the app's key, and settings name the connection without showing it."""
    monkeypatch.delenv("NBKIT_KEYS")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(credentials, "_typed", {})
    monkeypatch.setitem(sys.modules, "keyring", None)
    monkeypatch.setattr("getpass.getpass", lambda _question: "app-topsecret")
    shown = shell.cell("%nbkit connect dify my-cat --base-url https://dify.example")
    listed = shell.cell("%nbkit config").outputs[0].data["text/plain"]

    assert "dify/my-cat is https://dify.example/v1" in shown.outputs[0].data["text/plain"]
    assert "https://dify.example/v1 (from config.toml), its key from what was typed" in listed
    assert "topsecret" not in str(shown.outputs) + listed
    with pytest.raises(UsageError, match="NAME --base-url URL"):
        shell.cell("%nbkit connect dify my cat")


def test_where_nobody_can_type_it_says_so(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a notebook that runs unattended asking for a key is an error with a way out."""

    def refuse(_question: str) -> str:
        raise StdinNotImplementedError

    monkeypatch.setattr("getpass.getpass", refuse)
    with pytest.raises(CredentialsError, match="set FAL_KEY"):
        shell.cell("%nbkit connect fal")


def test_an_unknown_subcommand_names_the_nearest(shell: Shell) -> None:
    """A slip is one line that names what was meant."""
    with pytest.raises(UsageError, match="did you mean models"):
        shell.cell("%nbkit model")


def test_the_listed_endpoints_are_those_that_answer() -> None:
    """What `%nbkit models` lists is what the embedded server serves, with the same stand-ins."""
    served = {entry.id: entry.stand_in for entry in own_endpoints()}

    assert set(served) == set(ENDPOINTS)
    assert {name: own for name, own in served.items() if own} == STAND_INS
    assert {name for name, own in served.items() if not own} == set(LOCAL)


@pytest.mark.parametrize("line", ["models all", "connect fal now"])
def test_a_word_too_many_is_refused(shell: Shell, line: str) -> None:
    """A subcommand that takes nothing says so, rather than to leave out what was asked."""
    with pytest.raises(UsageError, match="takes nothing"):
        shell.cell(f"%nbkit {line}")


def test_keys_in_files_are_found_from_a_cell(shell: Shell, tmp_path: Path) -> None:
    """`%nbkit doctor --scan` lists the keys of a folder without showing them."""
    key = "1a2b3c4d-1111-2222-3333-0a1b2c3d4e5f:00112233445566778899aabbccddee9f"
    (tmp_path / "my notes.txt").write_text(f"\n{key}")
    shown = shell.cell('%nbkit doctor --scan "my notes.txt"').outputs[0].data["text/plain"]

    assert all(word in shown for word in ("one key found", "line 2", "fal key", "1a2b…:…9f"))
    assert key[9:] not in shown
    with pytest.raises(UsageError, match="--scan PATH"):
        shell.cell("%nbkit doctor --scam x")
