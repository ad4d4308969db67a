"""A shell with what a kernel has loaded, in which the extension is loaded and used for the first time."""

from __future__ import annotations

import io
import json
import os
import sys
import time
import urllib.request
from contextlib import redirect_stdout
from typing import Any

import ipykernel.zmqshell  # noqa: F401 - a kernel has it loaded
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from nbkit.wire.fal.addresses import Hosts
from tests.bench.candidates import QUEUED

_IDLE = 1.0  # seconds that a person takes between two cells, at the least


def main(origin: str) -> None:
    """Measure once."""
    with redirect_stdout(io.StringIO()):
        load, first, second = measure(origin)
    print(json.dumps({"load": load, "first": first, "second": second}), flush=True)  # noqa: T201
    sys.stdin.readline()


def measure(origin: str) -> tuple[float, float, float]:
    """The seconds of loading, and of each of two cells until its POST is at the server."""
    settings = Config()
    settings.HistoryManager.enabled = False
    shell: Any = InteractiveShell.instance(config=settings)
    shell.run_cell("1 + 1")
    began = time.monotonic()
    shell.run_cell("%load_ext nbkit")
    load = time.monotonic() - began
    # With a key the magics speak with fal; here that is the server of jobs.
    os.environ["FAL_KEY"] = "key"
    Hosts.of_fal = lambda _environ: Hosts.of_origin(origin)  # type: ignore[assignment,method-assign]
    times = []
    for _cell in range(2):
        time.sleep(_IDLE)
        began = time.monotonic()
        shell.run_cell(f"%%generate {QUEUED}\nseconds: 0.01\n---\na lighthouse").raise_error()
        with urllib.request.urlopen(f"{origin}/facts") as answer:  # noqa: S310 - our own address
            times.append(json.load(answer)["submitted_at"] - began)
    return load, times[0], times[1]


if __name__ == "__main__":
    main(*sys.argv[1:])
