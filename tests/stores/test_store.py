from __future__ import annotations

import hashlib
import os
import threading
import time
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from nbkit.errors import MediaError
from nbkit.stores.opening import open_store
from tests.ftp_server import PASSWORD, READING, ftp_server

if TYPE_CHECKING:
    from pathlib import Path

    from nbkit.stores.store import Store
    from tests.ftp_server import Ftp

MiB = 2**20


def test_what_was_written_is_read(store: Store, tmp_path: Path) -> None:
    """Bytes and files come back as they went, whole, in part, and after they were written over."""
    file = tmp_path / "film"
    file.write_bytes(os.urandom(3 * MiB))

    store.write("ab/small", b"hello")
    store.write("ab/film", file)

    assert store.size("ab/small") == 5
    assert store.read("ab/small", 5) == b"hello"
    assert b"".join(store.blocks("ab/film")) == file.read_bytes()
    assert b"".join(store.blocks("ab/film", MiB + 7, MiB + 9)) == file.read_bytes()[MiB + 7 : MiB + 9]
    store.write("ab/small", b"")
    assert store.size("ab/small") == 0


def test_a_folder_is_listed(store: Store) -> None:
    """Names, sizes and times of files are told, and nothing of what is being written."""
    assert list(store.listing("ab")) == []
    store.write("ab/one", b"1")
    store.write("ab/two", b"22")
    store.write("ab/below/three", b"333")

    found = {listed.name: listed for listed in store.listing("ab")}

    assert {name: listed.size for name, listed in found.items()} == {"one": 1, "two": 2}
    assert all(abs((listed.written or 0) - time.time()) < 600 for listed in found.values())


def test_what_is_not_there_is_nothing(store: Store) -> None:
    """A missing file has no size, can be deleted, and says so where it is read."""
    assert store.size("ab/none") is None
    store.delete("ab/none")
    with pytest.raises(MediaError, match=r"[Nn]o such file"):
        store.read("ab/none", 10)


def test_only_the_first_creates(store: Store) -> None:
    """Of those that make a file at once, one makes it, and all read the same."""
    assert store.create("secret", b"mine")
    assert not store.create("secret", b"yours")
    assert store.read("secret", 10) == b"mine"


def test_odd_names(store: Store) -> None:
    """A name may hold what other programs give a meaning to."""
    for name in ("a b", "ä日本", "x[1]*?", "50%25", "#q;&'\""):
        store.write(f"odd/{name}", name.encode())
        assert store.read(f"odd/{name}", 100) == name.encode()
        store.delete(f"odd/{name}")
    assert list(store.listing("odd")) == []


def test_a_file_that_is_too_large_is_not_read(store: Store) -> None:
    """What has to be small is not taken into memory where it is not."""
    store.write("large", b"x" * 3 * MiB)
    with pytest.raises(MediaError, match="larger than 10 bytes"):
        store.read("large", 10)


def test_two_writers_of_one_name(store: Store, tmp_path: Path) -> None:
    """Whoever writes the same at the same time, one whole file is there in the end."""
    file = tmp_path / "film"
    file.write_bytes(os.urandom(2 * MiB))
    writers = [threading.Thread(target=store.write, args=("ab/same", file)) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    assert b"".join(store.blocks("ab/same")) == file.read_bytes()
    assert [listed.name for listed in store.listing("ab")] == ["same"]


def test_a_large_file_takes_no_memory(ftp: Ftp, tmp_path: Path) -> None:
    """A film goes there and comes back a piece at a time."""
    film = tmp_path / "film"
    with film.open("wb") as file:
        for _ in range(200):
            file.write(os.urandom(1024) * 1024)
    store = open_store(f"{ftp.url}/films")
    digest = hashlib.sha256()

    tracemalloc.start()
    try:
        store.write("film", film)
        for block in store.blocks("film"):
            digest.update(block)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert digest.hexdigest() == hashlib.sha256(film.read_bytes()).hexdigest()
    assert most < 48 * MiB
    store.delete("film")


def test_a_store_that_goes_away_leaves_no_half_file(tmp_path: Path) -> None:
    """Where the connection breaks in the middle of a file, its name stays free."""
    film = tmp_path / "film"
    film.write_bytes(os.urandom(20 * MiB))
    with ftp_server(tmp_path / "there", dies_after=10 * MiB) as server:
        store = open_store(server.url)
        with pytest.raises(MediaError, match="film cannot be written to ftp://…@127") as failed:
            store.write("films/film", film)
    assert not (tmp_path / "there/nbkit/films/film").exists()
    assert PASSWORD not in str(failed.value)
    assert failed.value.__suppress_context__


def test_a_connection_that_was_closed_is_made_anew(tmp_path: Path) -> None:
    """A server that was started again is gone on with, without a word."""
    with ftp_server(tmp_path / "there") as first:
        store = open_store(first.url)
        store.write("a", b"1")
        port = first.port
    with ftp_server(tmp_path / "there", port=port):
        assert store.read("a", 10) == b"1"


def test_a_store_that_may_only_be_read(tmp_path: Path) -> None:
    """What the store does not allow is one error with its reason."""
    (tmp_path / "there/nbkit").mkdir(parents=True)
    told = pytest.raises(MediaError, match=r"a cannot be written to ftp://…@.*Not enough privileges")
    with ftp_server(tmp_path / "there", READING) as server, told:
        open_store(server.url).write("a", b"1")
