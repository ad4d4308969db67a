from __future__ import annotations

import os
import uuid
import zipfile
from typing import TYPE_CHECKING

import pytest

from nbkit import history
from nbkit.cli import main
from nbkit.config import data_dir
from nbkit.errors import ConfigError, InputError, MediaError
from tests.ftp_server import PASSWORD, Ftp, ftp_server
from tests.history.test_unpacking import PICTURE, kept, write_notebook

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.history.conftest import Record


@pytest.fixture
def ftp(tmp_path: Path) -> Iterator[Ftp]:
    """A server that a lab shares."""
    with ftp_server(tmp_path / "ftp") as server:
        yield server


@pytest.fixture
def notebook(record: Record, tmp_path: Path) -> Path:
    """A notebook with one run."""
    return write_notebook(tmp_path / "home/cats.ipynb", record(output={"images": []}, media=(kept(PICTURE),)))


def test_a_bundle_goes_through_another_machine(
    notebook: Path,
    ftp: Ftp,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What one packs to an address another unpacks from it, runs and files and all."""
    assert main(["pack", str(notebook), "-o", f"{ftp.url}/bundles/"]) == 0
    assert f"ftp://…@127.0.0.1:{ftp.port}/nbkit/bundles/cats.zip" in capsys.readouterr().out
    monkeypatch.setenv("NBKIT_HOME", str(tmp_path / "other"))

    assert main(["unpack", f"{ftp.url}/bundles/cats.zip", str(tmp_path / "there")]) == 0

    run = history.search("cat")[0]
    assert run.media[0].bytes == PICTURE
    assert (tmp_path / "there/cats.ipynb").read_bytes() == notebook.read_bytes()
    assert [path.name for path in (ftp.folder / "nbkit/bundles").iterdir()] == ["cats.zip"]
    assert not list(data_dir().glob(".nbkit-*"))


@pytest.mark.parametrize("protocol", ["file", "memory"])
def test_any_address_will_do(notebook: Path, tmp_path: Path, protocol: str) -> None:
    """A mounted folder and whatever else fsspec knows take bundles, and take them again."""
    place = str(tmp_path / "shared") if protocol == "file" else uuid.uuid4().hex
    url = f"{protocol}://{place}/cats.zip"

    packed = history.pack(notebook, url)
    again = history.pack(notebook, url)

    assert str(packed.path) == url
    assert (packed.runs, packed.files) == (again.runs, again.files) == (1, 1)
    assert history.unpack(url, tmp_path / "there").known == 1


def test_only_a_bundle_is_written_over(notebook: Path, ftp: Ftp) -> None:
    """What is at the address already stays there, unless it is a bundle."""
    (ftp.folder / "nbkit").mkdir()
    (ftp.folder / "nbkit/cats.zip").write_bytes(b"my thesis")
    with pytest.raises(InputError, match=r"cats\.zip is there and is not a bundle"):
        history.pack(notebook, f"{ftp.url}/cats.zip")
    assert (ftp.folder / "nbkit/cats.zip").read_bytes() == b"my thesis"


def test_a_hostile_bundle_is_refused_from_an_address_too(ftp: Ftp, tmp_path: Path) -> None:
    """A bundle that would write elsewhere, or is none, leaves nothing, wherever it came from."""
    (ftp.folder / "nbkit").mkdir()
    with zipfile.ZipFile(ftp.folder / "nbkit/evil.zip", "w") as bundle:
        bundle.writestr("../../evil.py", "import os")
    (ftp.folder / "nbkit/torn.zip").write_bytes(os.urandom(1000))

    for name, told in (("evil", "has no place in one"), ("torn", "it is broken")):
        with pytest.raises(InputError, match=told):
            history.unpack(f"{ftp.url}/{name}.zip", tmp_path / "there")

    assert not (tmp_path / "there").exists()
    assert not list(data_dir().glob(".nbkit-*"))


def test_a_bundle_that_is_too_large_is_not_fetched(
    notebook: Path, ftp: Ftp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is not filled by what an address gives without an end."""
    history.pack(notebook, f"{ftp.url}/cats.zip")
    monkeypatch.setattr("nbkit.history.elsewhere.LARGEST_BUNDLE", 100)
    with pytest.raises(MediaError, match="is larger than"):
        history.unpack(f"{ftp.url}/cats.zip", tmp_path / "there")
    assert not list(data_dir().glob(".nbkit-*"))


def test_a_full_stop_in_the_middle(notebook: Path, tmp_path: Path) -> None:
    """Where the store goes away while a bundle is sent, the bundle that was there before stays whole."""
    with ftp_server(tmp_path / "ftp") as server:
        history.pack(notebook, f"{server.url}/cats.zip")
    before = (tmp_path / "ftp/nbkit/cats.zip").read_bytes()
    with ftp_server(tmp_path / "ftp", dies_after=200) as server:
        with pytest.raises(MediaError, match=r"cats\.zip cannot be written to ftp://…@") as failed:
            history.pack(notebook, f"{server.url}/cats.zip")
        assert PASSWORD not in str(failed.value)
    assert (tmp_path / "ftp/nbkit/cats.zip").read_bytes() == before


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("ftp://", "names no"),
        ("nonsense://x/y.zip", "no protocol 'nonsense' is known"),
        ("s3://x", "names no file"),
    ],
)
def test_an_address_that_is_none(notebook: Path, url: str, told: str) -> None:
    """A wrong address is one clear error, both ways."""
    with pytest.raises(ConfigError, match=told):
        history.pack(notebook, url)
    with pytest.raises(ConfigError, match=told):
        history.unpack(url)


def test_nothing_at_the_address(ftp: Ftp) -> None:
    """An address where nothing is says so, without its password."""
    with pytest.raises(InputError, match=r"there is no file ftp://…@127") as failed:
        history.unpack(f"{ftp.url}/none.zip")
    assert PASSWORD not in str(failed.value)
