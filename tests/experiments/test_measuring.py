from __future__ import annotations

import asyncio
import functools
import math
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from nbkit.errors import InputError
from nbkit.experiments.measuring import Measurements
from nbkit.experiments.metrics import PerceptualDistance, brightness

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from pathlib import Path


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """A black, a grey and a white picture, by their hashes, and a cache folder of their own."""
    monkeypatch.setenv("NBKIT_CACHE", str(tmp_path / "cache"))
    made = {}
    for grey in (0, 51, 255):
        made[f"sha-{grey}"] = tmp_path / f"{grey}.png"
        Image.new("RGB", (32, 16), (grey, grey, grey)).save(made[f"sha-{grey}"])
    return made


def test_each_content_is_measured_once(pictures: dict[str, Path]) -> None:
    """A function is called once for each picture, and again only when it is defined again."""
    seen: list[int] = []

    def width(image: Image.Image) -> int:
        seen.append(image.width)
        return image.width

    measured = Measurements()
    assert measured.take(pictures, width) == ("width",)
    measured.take(pictures, [width])
    measured.complete(pictures, "width")
    assert seen == [32, 32, 32]
    assert measured.numbers("sha-0") == {"width": 32.0}

    def another(image: Image.Image) -> int:
        return 2 * image.width

    measured.take(pictures, {"width": another})
    assert measured.numbers("sha-0") == {"width": 64.0}


def test_built_in_metrics_are_known_to_the_next_kernel(pictures: dict[str, Path]) -> None:
    """What nbkit's own metrics gave is on the disk: the same content is not even opened again."""
    Measurements().take(pictures, ["brightness", "megapixels"])
    for path in pictures.values():
        path.unlink()
    later = Measurements()
    later.take(pictures, ["brightness", "megapixels"])

    assert later.numbers("sha-51") == {"brightness": pytest.approx(0.2), "megapixels": 512 / 1e6}


def test_what_goes_wrong_is_kept_and_told_once(pictures: dict[str, Path]) -> None:
    """One picture whose metric fails costs no other; the reason stays, and is one warning."""

    def moody(image: Image.Image) -> Any:
        grey = image.getpixel((0, 0))[0]  # type: ignore[index]
        if grey == 0:
            raise ValueError("too dark\nfor me")
        return "junk" if grey == 51 else 7

    measured = Measurements()
    with pytest.warns(UserWarning, match="moody gave no number for 2 of 3 pictures") as told:
        measured.take(pictures, moody)

    assert len(told) == 1
    dark, middle = measured.of("moody", "sha-0"), measured.of("moody", "sha-51")
    assert dark
    assert middle
    assert (math.isnan(dark.value), dark.problem) == (True, "ValueError: too dark")
    assert (math.isnan(middle.value), middle.problem) == (True, "it gave 'junk', which is no number")
    assert measured.numbers("sha-255") == {"moody": 7.0}
    measured.complete(pictures, "moody")  # nothing is missing: nothing is told again


@pytest.mark.parametrize(
    "junk", ["7", b"7", None, [1], 1j, math.nan, math.inf, np.array([1.0, 2.0]), 10**400]
)
def test_only_numbers_are_numbers(junk: Any, pictures: dict[str, Path]) -> None:
    """Texts, lists, complex and endless numbers are none."""
    measured = Measurements()
    with pytest.warns(UserWarning, match="junk gave no number for 3 of 3"):
        measured.take(pictures, {"junk": lambda _image: junk})

    assert measured.numbers("sha-0") == {}


@pytest.mark.parametrize("value", [3, 3.0, np.float32(3), np.int64(3), np.array(3.0)])
def test_numbers_of_other_libraries_are_numbers(value: Any, pictures: dict[str, Path]) -> None:
    """A number may come from NumPy, too."""
    measured = Measurements()
    measured.take(pictures, {"three": lambda _image: value})

    assert measured.numbers("sha-0") == {"three": 3.0}


def _later(image: Image.Image) -> Awaitable[float]:
    return _slow_width(image)


async def _slow_width(image: Image.Image) -> float:
    await asyncio.sleep(0)
    return float(image.width)


class _Awaited:
    async def __call__(self, image: Image.Image) -> float:
        return float(image.height)


def test_asynchronous_metrics_are_awaited(pictures: dict[str, Path]) -> None:
    """A function, an object or a plain function that gives something to be awaited: all give their numbers."""
    measured = Measurements()
    measured.take(pictures, [_slow_width, _Awaited()])
    measured.take(pictures, {"later": _later})

    assert measured.numbers("sha-0") == {"_slow_width": 32.0, "_Awaited": 16.0, "later": 32.0}


_INSIDE_A_LOOP = """
import asyncio, sys
from pathlib import Path
from nbkit.experiments.measuring import Measurements

async def main():
    loop, loops = asyncio.get_running_loop(), []

    async def width(image):
        await asyncio.sleep(0)
        loops.append(asyncio.get_running_loop() is loop)
        return image.width

    measured = Measurements()
    measured.take({path: Path(path) for path in sys.argv[1:]}, width)
    print(loops, measured.numbers(sys.argv[1]))

asyncio.run(main())
"""


def test_asynchronous_metrics_run_on_the_loop_of_the_caller(pictures: dict[str, Path]) -> None:
    """Inside a running loop a metric may use what belongs to that loop."""
    # In an interpreter of its own: a loop that is entered twice is changed for good.
    command = [sys.executable, "-c", _INSIDE_A_LOOP, *map(str, pictures.values())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert (done.stderr, done.stdout.strip()) == ("", "[True, True, True] {'width': 32.0}")


def test_an_asynchronous_metric_that_fails_costs_one_number(pictures: dict[str, Path]) -> None:
    """What a service refused is kept as the reason, and asked again when it is measured again."""
    asked: list[int] = []

    async def score(image: Image.Image) -> float:
        asked.append(image.width)
        if len(asked) <= 3:
            raise OSError("no network")
        return 1.0

    measured = Measurements()
    with pytest.warns(UserWarning, match="score gave no number for 3 of 3 pictures: OSError: no network"):
        measured.take(pictures, score)
    measured.take(pictures, score)

    assert measured.numbers("sha-0") == {"score": 1.0}


def test_functions_that_bear_no_threads_have_none(pictures: dict[str, Path]) -> None:
    """With `at_once=1` a metric runs in the thread of its caller."""
    threads: set[threading.Thread] = set()

    def width(image: Image.Image) -> int:
        threads.add(threading.current_thread())
        return image.width

    Measurements().take(pictures, width, at_once=1)
    assert threads == {threading.current_thread()}
    with pytest.raises(InputError, match="at_once is at least 1"):
        Measurements().take(pictures, width, at_once=0)


def test_a_metric_cannot_spoil_the_picture_of_another(pictures: dict[str, Path]) -> None:
    """A function that changes its picture changes its own copy."""

    def spoil(image: Image.Image) -> int:
        image.paste("red", (0, 0, *image.size))
        return 0

    measured = Measurements()
    measured.take(pictures, {"spoil": spoil, "brightness": brightness})

    assert measured.numbers("sha-255")["brightness"] == pytest.approx(1)


def test_a_file_that_is_no_picture_has_no_numbers(tmp_path: Path, pictures: dict[str, Path]) -> None:
    """Damaged files are told like metrics that fail."""
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n????")
    measured = Measurements()
    with pytest.warns(UserWarning, match="brightness gave no number for 1 of 4 pictures: MediaError"):
        measured.take(pictures | {"bad": tmp_path / "bad.png"}, "brightness")

    assert measured.numbers("sha-255") == {"brightness": pytest.approx(1)}


def test_metrics_have_names(pictures: dict[str, Path]) -> None:
    """Objects are called like their class; a lambda needs a name; no name stands for two."""
    measured = Measurements()
    alike = PerceptualDistance(Image.new("RGB", (8, 8)))
    assert measured.take(pictures, alike) == ("PerceptualDistance",)
    for given, words in (
        (lambda _image: 1, "'<lambda>' is no name"),
        ("sharpnes", "'sharpnes' is no metric"),
        (7, "7 is no metric"),
        ([brightness, "brightness"], "two metrics are called 'brightness'"),
        ({"a b": None}, "None is no metric"),
        ([functools.partial(brightness), functools.partial(brightness)], "two metrics are called 'partial'"),
    ):
        with pytest.raises(InputError, match=words):
            measured.take(pictures, given)
    with pytest.raises(InputError, match="'seed' is the name of another column"):
        measured.take(pictures, {"seed": brightness}, taken=["seed"])


def test_an_interrupt_keeps_what_was_measured(pictures: dict[str, Path]) -> None:
    """Who stops a long measurement has the numbers that were there."""

    def slow(image: Image.Image) -> int:
        if image.getpixel((0, 0)) == (255, 255, 255):
            raise KeyboardInterrupt
        return 1

    measured = Measurements()
    with pytest.raises(KeyboardInterrupt):
        measured.take(pictures, slow, at_once=1)

    assert measured.numbers("sha-0") == {"slow": 1.0}
