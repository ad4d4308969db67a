from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbkit.cli import main
from nbkit.server.key_file import read_keys

if TYPE_CHECKING:
    from pathlib import Path


def test_keys_are_made_listed_and_revoked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The key alone goes to standard output, so that it can be piped; a list shows names and days."""
    file = str(tmp_path / "keys")
    assert main(["keys", "add", "anna", "--file", file]) == 0
    key = capsys.readouterr().out.strip()
    assert main(["keys", "add", "bert", "--file", file]) == 0
    capsys.readouterr()
    assert main(["keys", "list", "--file", file]) == 0
    listed = capsys.readouterr().out
    assert main(["keys", "revoke", "anna", "--file", file]) == 0
    said = capsys.readouterr().out

    assert key.startswith("nbk_")
    assert len(key) > 40
    assert [line.split()[1] for line in listed.splitlines()] == ["anna", "bert"]
    assert key not in listed
    assert said == "1 key of anna revoked\n"
    assert [stored.name for stored in read_keys(tmp_path / "keys")] == ["bert"]


@pytest.mark.parametrize("order", [["revoke", "nobody"], ["add", "two words"]])
def test_what_cannot_be_done_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], order: list[str]
) -> None:
    """With exit code 1."""
    file = str(tmp_path / "keys")
    main(["keys", "add", "anna", "--file", file])

    assert main(["keys", *order, "--file", file]) == 1
    assert capsys.readouterr().err.startswith("nbkit keys: ")


def test_without_a_file_named_it_is_in_nbkits_data_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is made."""
    monkeypatch.setenv("NBKIT_HOME", str(tmp_path / "home"))

    assert main(["keys", "add", "anna"]) == 0
    assert main(["keys", "list"]) == 0
    assert capsys.readouterr().out.endswith("anna\n")
