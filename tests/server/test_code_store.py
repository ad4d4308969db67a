from __future__ import annotations

from threading import Barrier, Thread
from typing import TYPE_CHECKING

import pytest

from nbkit.errors import ServerError
from nbkit.server.code_store import CodeStore

if TYPE_CHECKING:
    from pathlib import Path


def test_code_is_found_under_its_hash(tmp_path: Path) -> None:
    """What was put is had again by the name that it got, also by another process's store."""
    digest = CodeStore(tmp_path / "code").put(b"print(1)")

    assert CodeStore(tmp_path / "code").get(digest) == b"print(1)"
    assert (tmp_path / "code" / digest).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["0" * 64, "../secret", "", "draft-1"])
def test_code_that_is_not_there_is_told(tmp_path: Path, name: str) -> None:
    """A name that leads nowhere, or out of the folder, gives one clear error."""
    (tmp_path / "secret").write_bytes(b"never")

    with pytest.raises(ServerError, match="declare the function again"):
        CodeStore(tmp_path / "code").get(name)


def test_damaged_code_is_never_run(tmp_path: Path) -> None:
    """A file that was changed on the disk is not what was declared."""
    store = CodeStore(tmp_path)
    digest = store.put(b"print(1)")
    (tmp_path / digest).write_bytes(b"print(2)")

    with pytest.raises(ServerError, match="damaged"):
        store.get(digest)


def test_code_that_is_removed_is_gone(tmp_path: Path) -> None:
    """And nothing but code can be removed."""
    (tmp_path / "secret").write_bytes(b"kept")
    store = CodeStore(tmp_path)
    digest = store.put(b"print(1)")
    for name in (digest, digest, "secret"):
        store.remove(name)

    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_many_may_put_the_same_at_once(tmp_path: Path) -> None:
    """Several workers that bring the same code leave one whole file."""
    start = Barrier(8)

    def put() -> None:
        start.wait()
        CodeStore(tmp_path).put(b"x" * 100_000)

    threads = [Thread(target=put) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [path.stat().st_size for path in tmp_path.iterdir()] == [100_000]
