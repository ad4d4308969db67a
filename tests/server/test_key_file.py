from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies

from nbkit.errors import ConfigError
from nbkit.server.key_file import add_key, read_keys, revoke_keys

if TYPE_CHECKING:
    from pathlib import Path


def test_a_key_is_shown_once_and_kept_as_a_hash(tmp_path: Path) -> None:
    """Whoever reads the file has no key, and only its owner may write to it."""
    path = tmp_path / "keys"
    key = add_key(path, "anna")
    [stored] = read_keys(path)

    assert key not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert stored.name == "anna"
    assert stored.matches(key.encode())
    assert not stored.matches(key[:-1].encode())
    assert not stored.matches(b"")


def test_two_keys_are_never_alike(tmp_path: Path) -> None:
    """Nor are the hashes of one key, since each has a salt of its own."""
    path = tmp_path / "keys"
    keys = {add_key(path, "anna") for _ in range(20)}

    assert len(keys) == 20
    assert len({stored.salt for stored in read_keys(path)}) == 20


def test_revoking_takes_all_keys_of_one_user_and_nothing_else(tmp_path: Path) -> None:
    """Comments, other users and the file's mode stay."""
    path = tmp_path / "keys"
    for name in ("anna", "annabel", "anna"):
        add_key(path, name)
    path.write_text(f"# the lab's keys\n\n{path.read_text()}")
    path.chmod(0o640)

    assert revoke_keys(path, "anna") == 2
    assert [stored.name for stored in read_keys(path)] == ["annabel"]
    assert path.read_text().startswith("# the lab's keys\n\n")
    assert path.stat().st_mode & 0o777 == 0o640
    assert revoke_keys(path, "anna") == 0
    assert [file.name for file in tmp_path.iterdir()] == ["keys"]


def test_a_file_without_a_last_line_break_is_continued_on_a_line_of_its_own(tmp_path: Path) -> None:
    """As editors leave it."""
    path = tmp_path / "keys"
    add_key(path, "anna")
    path.write_text(path.read_text().rstrip("\n"))
    add_key(path, "bert")

    assert [stored.name for stored in read_keys(path)] == ["anna", "bert"]


def test_many_may_be_added_at_once(tmp_path: Path) -> None:
    """None is lost."""
    path = tmp_path / "keys"
    add_key(path, "first")
    adding = [threading.Thread(target=add_key, args=(path, f"user{number}")) for number in range(16)]
    for thread in adding:
        thread.start()
    for thread in adding:
        thread.join()

    assert len(read_keys(path)) == 17


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_can_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    """They could let themselves in."""
    path = tmp_path / "keys"
    add_key(path, "anna")
    path.chmod(mode)

    with pytest.raises(ConfigError, match="others can write"):
        read_keys(path)


@pytest.mark.parametrize(
    "line", ["my-plain-key-123", "anna: my-plain-key-123", "anna 2026-01-01 md5$0$0", "\x00\xff"]
)
def test_what_is_no_key_is_named_by_its_line_alone(tmp_path: Path, line: str) -> None:
    """A key that somebody wrote down as it is does not reach a screen or a log."""
    path = tmp_path / "keys"
    add_key(path, "anna")
    with path.open("a") as file:
        file.write(f"{line}\n")
    path.chmod(0o600)

    with pytest.raises(ConfigError, match=r"line 2 of .* is not a key's") as raised:
        read_keys(path)
    assert "plain" not in str(raised.value)


@pytest.mark.parametrize("name", ["", " ", "a b", "-x", "a\nb", "ä", "x" * 65, "a#b"])
def test_a_name_that_would_break_the_file_is_refused(tmp_path: Path, name: str) -> None:
    """Before anything is written."""
    with pytest.raises(ConfigError, match="cannot be a user's name"):
        add_key(tmp_path / "keys", name)
    assert not (tmp_path / "keys").exists()


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    """With the command to type."""
    with pytest.raises(ConfigError, match="cannot be read") as raised:
        read_keys(tmp_path / "none")
    assert "nbkit keys add NAME --file" in str(raised.value.hint)


@given(content=strategies.binary(max_size=300))
def test_any_bytes_are_keys_or_one_clear_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    """Whatever stands in the file."""
    path = tmp_path_factory.mktemp("keys") / "keys"
    path.write_bytes(content)
    path.chmod(0o600)
    told = str(path)
    try:
        read_keys(path)
    except ConfigError as error:
        told = str(error)
    assert str(path) in told
