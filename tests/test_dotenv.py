from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from nbkit.dotenv import find_dotenv, read_dotenv


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of its own."""
    home = tmp_path / "home-folder"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    return home


def write(folder: Path, text: str = "FAL_KEY=a") -> Path:
    """A `.env` in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ".env"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("FAL_KEY=id:secret", "id:secret"),
        ("export FAL_KEY=id:secret", "id:secret"),
        ("  FAL_KEY =  id:secret  ", "id:secret"),
        ("FAL_KEY='id:secret'", "id:secret"),
        ('FAL_KEY="id:secret"', "id:secret"),
        ('FAL_KEY="id:secret" # from the dashboard', "id:secret"),
        ("FAL_KEY=id:secret # from the dashboard", "id:secret"),
        ("FAL_KEY=id:sec#ret", "id:sec#ret"),
        ("FAL_KEY='a # b'", "a # b"),
        (r'FAL_KEY="a\"b\n\\"', 'a"b\n\\'),
        (r"FAL_KEY='a\n'", r"a\n"),
        ("FAL_KEY=$OTHER", "$OTHER"),
        ("FAL_KEY=a=b", "a=b"),
        ("FAL_KEY=", ""),
        ("FAL_KEY= # none yet", ""),
        ("FAL_KEY=first\nFAL_KEY=last", "last"),
        ("# FAL_KEY=no\nFAL_KEY", None),
        ("FAL KEY=no", None),
        ("1FAL_KEY=no", None),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_are_read_as_people_write_them(line: str, value: str | None, end: str, tmp_path: Path) -> None:
    """`export`, quotes, comments and every kind of line end are understood; nothing is replaced in a value."""
    path = tmp_path / ".env"
    path.write_bytes(("# settings\n\n" + line + "\nOTHER=x\n").replace("\n", end).encode())

    assert read_dotenv(path).get("FAL_KEY") == value
    assert read_dotenv(path)["OTHER"] == "x"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_files_of_windows_are_read(encoding: str, tmp_path: Path) -> None:
    """A byte order mark, and what PowerShell writes, is no part of the first name."""
    path = tmp_path / ".env"
    path.write_bytes("FAL_KEY=a\r\nNAME=Grüße\r\n".encode(encoding))

    assert read_dotenv(path) == {"FAL_KEY": "a", "NAME": "Grüße"}


@given(st.binary(max_size=300))
def test_whatever_is_in_a_file_it_can_be_read(data: bytes) -> None:
    """No bytes break the reader."""
    path = Path(os.environ["PYTEST_DOTENV"])
    path.write_bytes(data)

    assert all(isinstance(value, str) for value in read_dotenv(path).values())


@pytest.fixture(autouse=True)
def _scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DOTENV", str(tmp_path / "scratch"))


def test_a_file_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    """A file that is gone, or is a folder, has no names in it."""
    assert read_dotenv(tmp_path / "gone") == {}
    assert read_dotenv(tmp_path) == {}


def test_the_folders_of_the_project_are_looked_through(tmp_path: Path, home: Path) -> None:
    """From the working folder up to the root of the project, the nearest first, and no further."""
    project = home / "work" / "project"
    folder = project / "notebooks" / "today"
    near, root = write(folder), write(project)
    write(home / "work")
    (project / ".git").mkdir()

    assert list(find_dotenv(folder)) == [near, root]
    assert tmp_path not in {path.parent for path in find_dotenv(folder)}


def test_outside_a_project_the_home_is_the_last(home: Path) -> None:
    """In a plain folder below the home, the home's own file is read, too."""
    folder = home / "plain" / "deep"
    folder.mkdir(parents=True)

    assert list(find_dotenv(folder)) == []
    own = write(home)
    assert list(find_dotenv(folder)) == [own]


@pytest.mark.usefixtures("home")
def test_nothing_is_read_from_folders_of_others(tmp_path: Path) -> None:
    """Outside of home and project only the working folder counts: anybody may write a `/tmp/.env`."""
    shared = tmp_path / "shared"
    write(shared)
    folder = shared / "mine"
    folder.mkdir()

    assert list(find_dotenv(folder)) == []
    own = write(folder)
    assert list(find_dotenv(folder)) == [own]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_not_waited_for(home: Path) -> None:
    """A `.env` that is no file is left alone."""
    os.mkfifo(home / ".env")

    assert list(find_dotenv(home)) == []


def test_a_working_folder_that_is_gone(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel whose folder was deleted still works."""
    folder = home / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()

    assert list(find_dotenv()) == []
