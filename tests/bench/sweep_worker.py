"""A kernel that runs a sweep of empty jobs: a line of JSON says how many cells, another what that took."""

from __future__ import annotations

import json
import sys
import time

import nbkit
from tests.bench.worker import peak_memory


def main(origin: str) -> None:
    """Answer lines until there are no more."""
    for line in sys.stdin:
        cells = json.loads(line)["cells"]
        client = nbkit.Client(base_url=origin)
        sweep = nbkit.Sweep("acme/nothing", {"seconds": 0}, seeds=cells, client=client)
        cpu = time.process_time()
        sweep.run()
        if sweep.counts != {"succeeded": cells}:
            raise RuntimeError(str(sweep.counts))
        told = {"cpu": (time.process_time() - cpu) * 1e3 / cells, "memory": peak_memory()}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
