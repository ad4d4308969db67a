"""Large files up and down, and a picture from result to notebook. P8 and P9."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

from tests.bench.processes import Child, Place
from tests.bench.report import Check, Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SIZE = 100_000_000


def upload(place: Place, *, full: bool) -> Iterator[Row]:
    """100 MB from a path; each time in a fresh process, so that nothing is known already."""
    with tempfile.NamedTemporaryFile(suffix=".bin") as file:
        file.truncate(_SIZE)
        yield from _transfer(place, "upload", ("nbkit", "fal", "httpx"), file.name, full=full)


def download(place: Place, *, full: bool) -> Iterator[Row]:
    """100 MB to disk; nbkit also takes its hash on the way."""
    with tempfile.TemporaryDirectory(dir=place.home) as folder:
        yield from _transfer(place, "download", ("nbkit", "httpx"), f"{folder}/file", full=full)


def _transfer(place: Place, way: str, names: Sequence[str], path: str, *, full: bool) -> Iterator[Row]:
    wall, cpu, memory = (_empty(names) for _ in range(3))
    for _turn in range(7 if full else 3):
        for name in names:
            with place.client(name) as child:
                child.ask(do="jobs", seconds=0.01, count=1, at_once=1)
                if way == "download":
                    child.ask(do=way, path=path)  # the first one loads what looks into files
                answer = child.ask(do=way, path=path)
            wall[name].append(answer["wall"] * 1e3)
            cpu[name].append(answer["cpu"] * 1e3)
            memory[name].append(answer["memory"])
    yield Row("P8", f"100 MB {way}: wall", "ms", wall, (Check("nbkit", 1.3, "httpx"),))
    yield Row("P8", f"100 MB {way}: CPU", "ms", cpu)
    yield Row("P8", f"100 MB {way}: peak memory", "MB", memory, (Check("nbkit", 60),))


def picture(place: Place, *, full: bool) -> Iterator[Row]:
    """A picture of 1024² stored, hashed and shown, against decoding and shrinking it alone."""
    ours, floor, wall, weight = [], [], [], []
    with Child("picture_worker", f"{place.near}/picture", NBKIT_HOME=place.home) as child:
        for turn in range(15 if full else 7):
            answer = child.ask()
            if turn:  # the first one loads things
                ours.append(answer["nbkit"] * 1e3)
                floor.append(answer["floor"] * 1e3)
                wall.append(answer["wall"] * 1e3)
                weight.append(answer["kilobytes"])
    shown = {"nbkit": ours, "decode+shrink": floor}
    yield Row(
        "P9",
        "picture of 1024², result to notebook: CPU",
        "ms",
        shown,
        (Check("nbkit", 1.2, "decode+shrink"),),
    )
    yield Row("P9", "picture of 1024², result to notebook: wall", "ms", {"nbkit": wall})
    yield Row("P9", "picture of 1024² in the notebook", "kB", {"nbkit": weight}, (Check("nbkit", 60),))


def _empty(names: Sequence[str]) -> dict[str, list[float]]:
    return {name: [] for name in names}
