"""Calls a function, plain or asynchronous, at once or in steps, and passes on what it tells on its way."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import math
import numbers
from typing import TYPE_CHECKING, Any

from nbkit.endpoints.output import BadResult
from nbkit.endpoints.pictures import is_picture
from nbkit.errors import InputError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Iterator

    from nbkit.endpoints.job import Job

LEVELS = ("DEBUG", "INFO", "WARN", "ERROR", "STDOUT", "STDERR")
_SHAPES = "a picture, a number from 0 to 1, or both: `yield 0.4, picture` or `yield 0.4, 'stage', picture`"

_job: Job | None = None


def log(message: str, level: str = "INFO") -> None:
    """Say a line: in a request's log while an endpoint's function runs, else by printing it.

    Args:
        message: The line.
        level: `DEBUG`, `INFO`, `WARN` or `ERROR`.

    Raises:
        InputError: There is no such level.
    """
    if level not in LEVELS:
        raise InputError(
            f"the level {level!r:.40} is not known", field="level", hint=f"one of {', '.join(LEVELS)}"
        )
    if _job is None:
        print(message if level == "INFO" else f"{level}: {message}")  # noqa: T201 - there is nobody else to tell
    else:
        _job.log(str(message), level)


@contextlib.contextmanager
def telling(job: Job) -> Iterator[None]:
    """Let `log` speak for a request. A process has one request at a time, and its threads speak for it too."""
    global _job  # noqa: PLW0603
    _job = job
    try:
        yield
    finally:
        _job = None


def run(called: Any, job: Job) -> Any:
    """The result of a function that was called: what it gave, or what it gives once it ran to its end.

    Raises:
        BadResult: It yielded something that says nothing.
    """
    if inspect.isawaitable(called) or inspect.isasyncgen(called):
        return asyncio.run(_awaited(called, job))
    return _stepped(called, Steps(job)) if inspect.isgenerator(called) else called


class Steps:
    """What a function tells by what it yields.

    Attributes:
        last: The last picture, or the last dict, which is the output where nothing is returned.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._fraction = 0.0
        self.last: Any = None

    def tell(self, step: Any) -> None:
        """Pass on one thing that was yielded.

        Raises:
            BadResult: It says nothing.
        """
        if isinstance(step, dict):
            self.last = step
            return
        parts = list(step) if isinstance(step, tuple) else [step]
        picture = parts.pop() if parts and is_picture(parts[-1]) else None
        fraction = parts.pop(0) if parts and _is_number(parts[0]) else None
        stage = parts.pop(0) if parts and fraction is not None and isinstance(parts[0], str) else ""
        if parts or (picture is None and fraction is None):
            raise BadResult(f"the function yielded {step!r:.100}", hint=f"yield {_SHAPES}")
        if fraction is not None and not 0 <= fraction <= 1:
            raise BadResult(f"the function yielded {fraction!r:.40} as its progress", hint=f"yield {_SHAPES}")
        self._fraction = self._fraction if fraction is None else float(fraction)
        self.last = self.last if picture is None else picture
        self._job.progress(self._fraction, stage, picture)


def _is_number(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, numbers.Real) and not math.isnan(value)


def _stepped(generator: Generator[Any, Any, Any], steps: Steps) -> Any:
    with contextlib.closing(generator):
        while True:
            try:
                step = next(generator)
            except StopIteration as end:
                return steps.last if end.value is None else end.value
            steps.tell(step)


async def _awaited(called: Any, job: Job) -> Any:
    if inspect.isasyncgen(called):
        return await _stepped_async(called, Steps(job))
    return await called


async def _stepped_async(generator: AsyncGenerator[Any, Any], steps: Steps) -> Any:
    async with contextlib.aclosing(generator):
        async for step in generator:
            steps.tell(step)
    return steps.last
