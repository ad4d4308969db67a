"""Fetches a result with a picture and shows it, and does by hand what cannot be left out of that."""

from __future__ import annotations

import io
import json
import sys
import time

from PIL import Image

import nbkit
from tests.bench.candidates import QUEUED
from tests.bench.pictures import picture


def floor() -> None:
    """Decode the picture, halve it and encode it: no preview does with less."""
    with Image.open(io.BytesIO(picture())) as whole:
        whole.reduce(2).save(io.BytesIO(), "WEBP", quality=80, method=0)


def main(origin: str) -> None:
    """Measure both at every line of standard input."""
    client = nbkit.Client(base_url=origin)
    picture()
    for _line in sys.stdin:
        began, cpu = time.monotonic(), time.process_time()
        result = client.subscribe(QUEUED, {"seconds": 0, "picture": True})
        shown, _facts = result._repr_mimebundle_()
        wall, ours = time.monotonic() - began, time.process_time() - cpu
        assert result.image.path, result.image.problem
        cpu = time.process_time()
        floor()
        answer = {"nbkit": ours, "floor": time.process_time() - cpu, "wall": wall}
        print(json.dumps(answer | {"kilobytes": len(json.dumps(shown)) / 1e3}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
