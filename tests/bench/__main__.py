"""`python -m tests.bench [--only NAME …] [--full] [--json FILE]`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench import (
    executor_figures,
    file_figures,
    history_figures,
    queue_figures,
    server_figures,
    start_figures,
    stream_figures,
    sweep_figures,
)
from tests.bench.processes import Child, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.bench.report import Row

FIGURES: dict[str, Callable[..., Iterator[Row]]] = {
    "latency": queue_figures.latency,
    "far": queue_figures.far_latency,
    "requests": queue_figures.requests,
    "load": queue_figures.load,
    "events": stream_figures.small_events,
    "large-events": stream_figures.large_events,
    "upload": file_figures.upload,
    "download": file_figures.download,
    "picture": file_figures.picture,
    "history": history_figures.written,
    "search": history_figures.searched,
    "two-kernels": history_figures.two_kernels,
    "sweep": sweep_figures.cells,
    "imports": start_figures.imports,
    "extension": start_figures.extension,
    "server": server_figures.rates,
    "server-busy": server_figures.busy,
    "executors": executor_figures.requests,
    "server-database": server_figures.database,
}
_ONE_WAY = 0.03


def main() -> None:
    """Measure, print and write down; whatever comes out, it ends well."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=FIGURES, metavar="NAME", help=", ".join(FIGURES))
    parser.add_argument("--full", action="store_true", help="more repetitions")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples to a file")
    options = parser.parse_args()
    for name in [name for name in os.environ if name.startswith(("FAL_", "NBKIT_"))]:
        del os.environ[name]
    began, rows = time.monotonic(), []
    with tempfile.TemporaryDirectory() as home, Child("queue_server", str(_ONE_WAY)) as server:
        near, far = server.finish()
        for name in options.only or FIGURES:
            try:
                for row in FIGURES[name](Place(near, far, home), full=options.full):
                    print("\n".join(row.lines()), flush=True)  # noqa: T201
                    rows.append(row)
            except Exception as error:  # noqa: BLE001 - one figure that cannot be had leaves the others
                print(f"     {name} could not be measured: {error!r}", flush=True)  # noqa: T201
    verdicts = [row.verdict(check)[1] for row in rows for check in row.checks]
    seconds = time.monotonic() - began
    print(f"{sum(verdicts)} of {len(verdicts)} goals met, in {seconds:.0f} s")  # noqa: T201
    if options.json:
        machine: dict[str, Any] = {
            "python": sys.version.split()[0],
            "machine": platform.platform(),
            "cores": os.cpu_count(),
        }
        figures = [row.to_json() for row in rows]
        options.json.write_text(json.dumps({**machine, "seconds": seconds, "figures": figures}, indent=1))


if __name__ == "__main__":
    main()
