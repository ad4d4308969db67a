from __future__ import annotations

import base64
import hashlib
import os
import signal
import warnings
from typing import TYPE_CHECKING

import pytest

from nbkit import history
from nbkit.client.resend import input_again
from nbkit.config import data_dir
from nbkit.history import fetching, sharing
from nbkit.history.fetching import check, fetch
from nbkit.history.files import FileStore
from nbkit.stores.opening import open_store
from tests.ftp_server import PASSWORD, READING, Ftp, ftp_server
from tests.history.test_unpacking import PICTURE, kept

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.history.conftest import Record

SHA256 = hashlib.sha256(PICTURE).hexdigest()


pytestmark = pytest.mark.usefixtures("new_sharer")


@pytest.fixture(autouse=True)
def _new_process() -> None:
    """Begin as a new process does."""
    fetching._not_before.clear()
    fetching._told.clear()


@pytest.fixture
def ftp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ftp]:
    """The store that this user shares files through, with a picture in it."""
    with ftp_server(tmp_path / "ftp") as server:
        open_store(server.url).write(sharing.name_in_store(SHA256), PICTURE)
        monkeypatch.setenv("NBKIT_STORE", server.url)
        yield server


def files() -> FileStore:
    """The kept files of this home."""
    return FileStore(data_dir() / "files")


def test_a_file_that_is_gone_comes_from_the_store(record: Record, ftp: Ftp) -> None:
    """A result whose picture was deleted here shows it again, and has it here from then on."""
    media = kept(PICTURE)
    run = record(output={"images": [{"url": "https://x/cat.png"}]}, media=(media,))
    assert media.path is not None
    media.path.unlink()

    assert history.get(run.id).media[0].bytes == PICTURE
    ftp.stop()
    assert history.get(run.id).image.path == media.path


def test_a_large_output_comes_from_the_store(record: Record, ftp: Ftp) -> None:
    """An output that is a file of its own is fetched like any other."""
    output = {"text": "x" * 2_000_000}
    run = record(output=output)
    path = next((data_dir() / "files").glob("*/*.json"))
    open_store(ftp.url).write(sharing.name_in_store(path.stem), path)
    path.unlink()

    result = history.get(run.id).result
    assert result is not None
    assert result.data == output


def test_an_input_is_found_by_its_hash(record: Record, ftp: Ftp) -> None:
    """A run can be sent again where only the store has the bytes of its input."""
    content = os.urandom(100_000)
    name = sharing.name_in_store(hashlib.sha256(content).hexdigest())
    open_store(ftp.url).write(name, content)
    run = record({"image_url": f"data:image/png;base64,{base64.b64encode(content).decode()}"})
    assert input_again(run)["image_url"].read_bytes() == content


@pytest.mark.parametrize(
    ("content", "told"), [(b"\x89PNG x picture", "is not what its name says"), (b"x" * 99, "has 99 bytes")]
)
def test_wrong_bytes_are_not_taken(ftp: Ftp, content: bytes, told: str) -> None:
    """What has another hash, or another size, than it should is left where it is, and told once."""
    open_store(ftp.url).write(sharing.name_in_store(SHA256), content)
    with pytest.warns(RuntimeWarning, match=told) as warned:
        assert fetch(files(), SHA256, ".png", len(PICTURE)) is None
    assert len(warned) == 1
    assert PASSWORD not in str(warned[0].message)
    assert not [path for path in (data_dir() / "files").rglob("*") if path.is_file()]
    good = hashlib.sha256(b"good").hexdigest()
    open_store(ftp.url).write(sharing.name_in_store(good), b"good")
    assert fetch(files(), good) is not None


def test_a_file_that_is_too_large_is_not_taken(ftp: Ftp, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store cannot fill the disk."""
    del ftp
    monkeypatch.setattr(fetching, "LARGEST", 5)
    with pytest.warns(RuntimeWarning, match="so it was not taken"):
        assert fetch(files(), SHA256) is None


def test_a_store_without_the_file_is_no_fault(ftp: Ftp) -> None:
    """What nobody shared is just not there; hostile hashes ask for nothing."""
    del ftp
    assert fetch(files(), "0" * 64) is None
    for hostile in ("", "../../secret", "0" * 63 + "/", "A" * 64):
        assert fetch(files(), hostile) is None


def test_a_store_that_is_down_is_asked_once(
    record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A history whose files are elsewhere can be read while the store is down: one warning, no waiting for each."""
    media = kept(PICTURE)
    runs = [record(output={"images": []}, media=(media,)) for _ in range(5)]
    assert media.path is not None
    media.path.unlink()
    with ftp_server(tmp_path / "ftp") as server:
        monkeypatch.setenv("NBKIT_STORE", server.url)
    with pytest.warns(RuntimeWarning, match="a file was not fetched: .*Connection refused") as warned:
        assert not any(history.get(run.id).image.is_here for run in runs)
    assert len(warned) == 1


def test_a_store_that_hangs_holds_nobody_up(ftp: Ftp, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a store takes connections and says nothing, the wait has an end."""
    monkeypatch.setattr(fetching, "PATIENCE", 0.5)
    os.kill(ftp.process.pid, signal.SIGSTOP)
    try:
        with pytest.warns(RuntimeWarning, match="is too slow"):
            assert fetch(files(), SHA256) is None
        assert "does not answer within 0.5 s" in check(ftp.url)
    finally:
        os.kill(ftp.process.pid, signal.SIGCONT)


def test_a_bundle_takes_files_from_the_store(record: Record, ftp: Ftp, tmp_path: Path) -> None:
    """What is not on this machine any more goes into a bundle nevertheless."""
    from tests.history.test_unpacking import write_notebook

    del ftp
    media = kept(PICTURE)
    run = record(output={"images": []}, media=(media,))
    assert media.path is not None
    media.path.unlink()
    packed = history.pack(write_notebook(tmp_path / "cats.ipynb", run))
    assert (packed.files, [it for it in packed.lost if "images" in it]) == (1, [])


def test_whether_a_store_works(ftp: Ftp, tmp_path: Path) -> None:
    """A store that can be written and read back is fine, and nothing stays there; any other says why."""
    assert check(ftp.url) == ""
    assert not list((ftp.folder / "nbkit/check").iterdir())
    with ftp_server(tmp_path / "read-only", READING) as server:
        assert "Not enough privileges" in check(server.url)
    assert "no protocol 'nonsense'" in check("nonsense://x/y")


def test_nothing_is_fetched_without_a_store() -> None:
    """Who shares nothing asks nobody."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fetch(files(), SHA256) is None
