# Annotations are read here as they are by those who declare functions, so they are not put off.

import asyncio
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

import nbkit
from nbkit.endpoints.output import BadResult
from nbkit.errors import InputError
from nbkit.server.job import JobCancelled
from tests.endpoints.conftest import Request

RED, BLUE = Image.new("RGB", (4, 4), "red"), Image.new("RGB", (4, 4), "blue")


def steps(job: Request) -> list[tuple[float, str, int]]:
    """What was told on the way: fraction, stage, number of pictures."""
    return [(it["progress"], it["stage"], len(it["images"])) for it in job.said if "progress" in it]


def test_a_generator_tells_its_progress_and_returns_its_output(job: Request) -> None:
    """Numbers, pictures, and both with words; what is returned is the output."""

    @nbkit.endpoint("me/x")
    def draw(number: int) -> Generator[Any, None, dict[str, int]]:
        yield 0.25
        yield 0.5, "half"
        yield 0.75, RED
        yield RED
        yield 1, "done", RED
        return {"number": number}

    assert draw.compute({"number": 3}, job) == {"number": 3}
    assert steps(job) == [(0.25, "", 0), (0.5, "half", 0), (0.75, "", 1), (0.75, "", 0), (1.0, "done", 0)]


def test_without_a_return_the_last_picture_is_the_output(job: Request) -> None:
    """So the shortest generator is one line."""

    @nbkit.endpoint("me/x")
    def draw() -> Iterator[Image.Image]:
        yield RED
        yield BLUE

    assert job.picture(draw.compute({}, job)["image"]).getpixel((0, 0)) == (0, 0, 255)
    assert "image" in draw.facts["output"]["properties"]


def test_asynchronous_functions_and_generators_work(job: Request) -> None:
    """An asynchronous generator gives its last picture, or the last dict."""

    @nbkit.endpoint("me/a")
    async def later(number: int) -> int:
        await asyncio.sleep(0)
        return number + 1

    @nbkit.endpoint("me/b")
    async def pictures() -> AsyncIterator[Any]:
        yield 0.5, "first", RED
        await asyncio.sleep(0)
        yield BLUE

    @nbkit.endpoint("me/c")
    async def told() -> AsyncIterator[Any]:
        yield 0.5
        yield {"words": ["a"]}

    assert later.compute({"number": 1}, job) == {"output": 2}
    assert job.picture(pictures.compute({}, job)["image"]).getpixel((0, 0)) == (0, 0, 255)
    assert told.compute({}, job) == {"words": ["a"]}
    assert [fraction for fraction, _, _ in steps(job)] == [0.5, 0.5, 0.5]


def test_progress_may_be_numpy_s(job: Request) -> None:
    """A fraction of an array's kind is a number like others."""

    @nbkit.endpoint("me/x")
    def draw() -> Generator[Any, None, int]:
        yield np.float32(0.5)
        return 1

    draw.compute({}, job)
    assert [fraction for fraction, _, _ in steps(job)] == [0.5]


@pytest.mark.parametrize(
    "step", [object(), "words", 40, -0.1, float("nan"), (0.5, 3), (), ("a", RED), None, True]
)
def test_a_step_that_says_nothing_is_told(job: Request, step: Any) -> None:
    """What was yielded, and what may be."""

    @nbkit.endpoint("me/x")
    def draw() -> Generator[Any, None, int]:
        yield step
        return 1

    with pytest.raises(BadResult, match="the function yielded") as caught:
        draw.compute({}, job)
    assert "yield 0.4, picture" in caught.value.hint


def test_a_generator_without_anything_gave_nothing(job: Request) -> None:
    """It is told as a function that returns nothing."""

    @nbkit.endpoint("me/x")
    def draw() -> Iterator[float]:
        yield 0.5

    with pytest.raises(BadResult, match="gave nothing"):
        draw.compute({}, job)


def test_a_log_is_the_request_s_while_it_runs_and_printed_otherwise(
    job: Request, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same function says the same, wherever it is called."""

    @nbkit.endpoint("me/x")
    def draw() -> int:
        nbkit.log("so far")
        nbkit.log("careful", level="WARN")
        return 1

    draw.compute({}, job)
    assert [(it["log"], it["level"]) for it in job.said] == [("so far", "INFO"), ("careful", "WARN")]
    assert capsys.readouterr().out == ""
    draw()
    assert capsys.readouterr().out == "so far\nWARN: careful\n"
    with pytest.raises(InputError, match="the level 'LOUD' is not known"):
        nbkit.log("x", level="LOUD")


def test_a_cancelled_generator_stops_at_its_next_step_and_tidies_up(job: Request) -> None:
    """What stands in `finally` is done."""
    tidied: list[int] = []

    @nbkit.endpoint("me/x")
    def draw() -> Iterator[float]:
        try:
            for step in range(10):
                if step == 2:
                    job.cancelled.set()
                yield step / 10
        finally:
            tidied.append(1)

    with pytest.raises(JobCancelled):
        draw.compute({}, job)
    assert tidied == [1]
    assert len(steps(job)) == 2
