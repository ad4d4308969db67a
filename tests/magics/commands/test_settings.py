from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from IPython.core.error import UsageError

from nbkit.cli import main
from nbkit.config import config_file
from nbkit.errors import ConfigError
from nbkit.stores.chosen import chosen_store, forget

if TYPE_CHECKING:
    from pathlib import Path

    from tests.magics.conftest import Shell


@pytest.fixture(autouse=True)
def _new_process() -> None:
    """Look into the settings of this test."""
    forget()


def told(shell: Shell, line: str) -> str:
    """What a line shows, as text."""
    text: str = shell.cell(line).outputs[0].data["text/plain"]
    return text


def test_a_store_is_set_and_shown(shell: Shell) -> None:
    """The store is written into the user's own settings, used from then on, shown, and taken out again."""
    config_file().parent.mkdir(parents=True, exist_ok=True)
    config_file().write_text('# mine\n[alias]\nhero = "fal-ai/flux/dev"\n', "utf-8")
    assert "none: files are on this machine alone" in told(shell, "%nbkit config")
    url = f"memory://{uuid.uuid4().hex}"

    assert url in told(shell, f"%nbkit config store {url}")
    assert chosen_store().url == url
    written = config_file().read_text("utf-8")
    assert "# mine" in written
    assert 'hero = "fal-ai/flux/dev"' in written

    assert "none: files are on this machine alone" in told(shell, "%nbkit config store off")
    assert chosen_store().url == ""


def test_a_projects_store_is_allowed(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a project says is shown as not used, until the user allows it."""
    monkeypatch.setenv("COLUMNS", "400")  # what is told names the project's file
    (tmp_path / "pyproject.toml").write_text('[tool.nbkit]\nstore = "memory://lab/cats"\n', "utf-8")
    forget()
    page = shell.cell("%nbkit config").outputs[0].data["text/html"]
    assert "memory://lab/cats is not used" in page

    shown = told(shell, "%nbkit config store allow memory://lab")
    assert "is not used" not in shown
    assert chosen_store().url == "memory://lab/cats"


@pytest.mark.parametrize(
    ("words", "told_why"),
    [
        ("store", "takes `store URL`"),
        ("colour red", "takes `store URL`"),
        ("store ftp://", "names no place"),
        ("store nonsense://x", "no protocol 'nonsense' is known"),
        ("store allow /mnt/lab", "has no protocol"),
        ("store ftp://me:hidden-word@host/x", "stays in the notebook"),
    ],
)
def test_a_wrong_store_is_refused(shell: Shell, words: str, told_why: str) -> None:
    """What cannot be a store is refused when it is set, without its password, and nothing is changed."""
    with pytest.raises((UsageError, ConfigError), match=told_why) as refused:
        shell.cell(f"%nbkit config {words}")
    assert "hidden-word" not in str(refused.value)
    assert not config_file().exists()


def test_the_doctor_tries_the_store(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """`nbkit doctor` writes to the store and reads it back, and says what is wrong, without the password."""
    monkeypatch.setenv("NBKIT_STORE", f"file://{tmp_path}/store")
    main(["doctor"])
    assert "written and read back" in capsys.readouterr().out
    monkeypatch.setenv("NBKIT_STORE", "ftp://me:hidden-word@127.0.0.1:1/x")
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "Connection refused" in out
    assert "hidden-word" not in out


def test_a_notebook_goes_to_an_address_and_back(shell: Shell, tmp_path: Path) -> None:
    """`%nbkit pack` and `%nbkit unpack` take addresses; a notebook without runs is a bundle, too."""
    (tmp_path / "cats.ipynb").write_text(
        '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}', "utf-8"
    )
    shell.cell("%nbkit history")
    from nbkit.history.database import changing, history_path

    with changing(history_path()):
        pass
    url = f"memory://{uuid.uuid4().hex}/cats.zip"
    assert url in told(shell, f"%nbkit pack cats.ipynb -o {url}")
    assert "the notebook" in told(shell, f"%nbkit unpack {url} there")
    assert (tmp_path / "there/cats.ipynb").exists()
