"""How long people wait before anything happens. P6 and P7."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.bench.processes import Child, Place
from tests.bench.report import Check, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

_IMPORTS = {
    "nbkit": "import nbkit",
    "nbkit.Client": "import nbkit; nbkit.Client",
    "fal": "import fal_client",
    "httpx": "import httpx",
}
_TIMED = "import time; began = time.process_time(); {}; print(time.process_time() - began)"


def imports(place: Place, *, full: bool) -> Iterator[Row]:
    """The cost of an import in a fresh process."""
    del place
    samples: dict[str, list[float]] = {name: [] for name in _IMPORTS}
    for _turn in range(11 if full else 5):
        for name, statement in _IMPORTS.items():
            told = subprocess.check_output([sys.executable, "-c", _TIMED.format(statement)], text=True)
            samples[name].append(float(told) * 1e3)
    yield Row("P6", "import: CPU", "ms", samples, (Check("nbkit", 0.25, "fal"), Check("nbkit", 60)))


def extension(place: Place, *, full: bool) -> Iterator[Row]:
    """`%load_ext nbkit` in a kernel, and the way of the first cell to the wire."""
    load, first, second = [], [], []
    for _turn in range(7 if full else 4):
        with Child("kernel", f"{place.near}/kernel", NBKIT_HOME=place.home) as child:
            told = child.ask()
        load.append(told["load"] * 1e3)
        first.append(told["first"] * 1e3)
        second.append(told["second"] * 1e3)
    yield Row("P7", "%load_ext nbkit: wall", "ms", {"nbkit": load}, (Check("nbkit", 120),))
    samples = {"first": first, "second": second}
    yield Row("P7", "%%generate until the POST is at the server: wall", "ms", samples, (Check("first", 50),))
