"""Models with a fault each, for servers under test. Worker processes import this file by its name."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from PIL import Image

Values = dict[str, Any]


def echo(given: Values, job: Any) -> Values:
    """Give the input back."""
    job.log("echoing")
    return {"given": given}


def wait(given: Values, job: Any) -> Values:
    """Take some seconds, and stop when asked to."""
    for step in range(round(given["seconds"] * 50)):
        time.sleep(0.02)
        job.progress(step / (given["seconds"] * 50), "waiting")
    return {"waited": given["seconds"]}


def meet(given: Values, job: Any) -> Values:
    """Come to a folder, and wait until others are there too."""
    folder = Path(given["folder"])
    (folder / given["name"]).touch()
    ends = time.monotonic() + 30
    while len(list(folder.iterdir())) < given["others"] + 1:
        if time.monotonic() > ends:
            raise RuntimeError("nobody else came")
        time.sleep(0.02)
        job.progress(0.5, "waiting")
    return {"name": given["name"]}


def stubborn(given: Values, _job: Any) -> Values:
    """Take some seconds and listen to nobody."""
    time.sleep(given["seconds"])
    return {"waited": given["seconds"]}


def compute(given: Values, _job: Any) -> Values:
    """Keep a core busy without giving way to other threads more than Python does."""
    ends, total = time.monotonic() + given["seconds"], 0
    while time.monotonic() < ends:
        total += sum(range(10_000))
    return {"total": total}


def leave(_given: Values, _job: Any) -> Values:
    """End the process."""
    os._exit(3)


def crash(_given: Values, _job: Any) -> Values:
    """End the process as a fault in native code does."""
    os.kill(os.getpid(), signal.SIGSEGV)
    return {}


def fail(_given: Values, _job: Any) -> Values:
    """Raise what nobody expects."""
    raise RuntimeError("the oven is cold")


def tell(given: Values, job: Any) -> Values:
    """Print, log and show a picture at each of a few steps."""
    print("from print")  # noqa: T201 - what it is about
    for step in range(given["steps"]):
        job.log(f"step {step}")
        job.progress(step / given["steps"], f"step {step}", Image.new("RGB", (800, 600), "red"))
        time.sleep(0.25)
    return {"steps": given["steps"]}


def picture(given: Values, job: Any) -> Values:
    """Take some seconds and give a picture that no other seed gives."""
    time.sleep(given["seconds"])
    colour = tuple(given["seed"].to_bytes(3, "big"))
    return {"images": [job.save_image(Image.new("RGB", (8, 8), colour), name="plain")], "seed": given["seed"]}


def process(_given: Values, _job: Any) -> Values:
    """Tell which process computes."""
    return {"pid": os.getpid()}


def mark(given: Values, _job: Any) -> Values:
    """Write a line at the start and one at the end, and take some time between them, or until there is a file."""
    told = f" by {os.getpid()}" if given.get("tell") else ""
    with Path(given["file"]).open("a") as lines:
        lines.write(f"{given['name']} begun{told}\n")
    time.sleep(given.get("seconds", 0))
    while "until" in given and not Path(given["until"]).exists():
        time.sleep(0.02)
    with Path(given["file"]).open("a") as lines:
        lines.write(f"{given['name']} done\n")
    return {"name": given["name"]}
