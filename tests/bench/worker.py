"""One client in a process of its own, so that its time and memory are its alone: reads tasks, writes measurements."""

from __future__ import annotations

import json
import resource
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.bench.candidates import Candidate

# By name, so that a process loads only what its own candidate needs.
_CANDIDATES = {
    "nbkit": "candidates.Nbkit",
    "nbkit-async": "candidates.NbkitAsync",
    "fal": "candidates.Fal",
    "fal-async": "candidates.FalAsync",
    "httpx": "plain_candidates.Httpx",
    "httpx-async": "plain_candidates.HttpxAsync",
    "raw": "plain_candidates.Raw",
}


def peak_memory() -> float:
    """The most memory that this process had, in MB.

    Linux counts in `getrusage` also what the parent had when it started the process, so its own note comes first.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1000
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3


def perform(candidate: Candidate, task: dict[str, Any]) -> dict[str, Any]:
    """Do one task and measure it."""
    began, cpu = time.monotonic(), time.process_time()
    answer: dict[str, Any] = {}
    if task["do"] == "jobs":
        answer["latencies"] = candidate.jobs(task["seconds"], task["count"], task["at_once"])
    elif task["do"] == "stream":
        answer["events"] = candidate.stream(task["count"], task["size"])
    elif task["do"] == "upload":
        candidate.upload(Path(task["path"]))
    else:
        candidate.download(Path(task["path"]))
    answer["wall"], answer["cpu"] = time.monotonic() - began, time.process_time() - cpu
    answer["memory"] = peak_memory()
    return answer


def main(name: str, origin: str) -> None:
    """Answer tasks until standard input ends."""
    module, _, kind = _CANDIDATES[name].partition(".")
    candidate: Candidate = getattr(import_module(f"tests.bench.{module}"), kind)(origin)
    for line in sys.stdin:
        print(json.dumps(perform(candidate, json.loads(line))), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
