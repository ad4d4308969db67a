"""Whether requests should be sent here now: a list of checks, each a name and what tells a problem.

Whoever adds a part that can fail appends to `Service.checks`.
"""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING, NamedTuple

from nbkit.errors import NbkitError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from nbkit.server.service import Service

_PATIENCE = 2.0  # seconds that one check has
_LEAST_ROOM = 64 * 2**20  # bytes


class Check(NamedTuple):
    """One thing that has to be well.

    Attributes:
        name: What it is, in a word.
        problem: Gives a sentence about what is wrong, an empty string where all is well.
    """

    name: str
    problem: Callable[[], Awaitable[str]]


class Readiness:
    """Asks all checks at the same time.

    Args:
        checks: What has to be well; may grow later.
    """

    def __init__(self, checks: Sequence[Check]) -> None:
        self._checks = checks
        self._asking: asyncio.Task[dict[str, str]] | None = None

    async def problems(self) -> dict[str, str]:
        """What is wrong, by the name of its check: an empty sentence for each that is well."""
        if self._asking is None or self._asking.done():  # many who ask at once share one answer
            self._asking = asyncio.create_task(self._ask())
        return await asyncio.shield(self._asking)

    async def _ask(self) -> dict[str, str]:
        found = await asyncio.gather(*(_asked(check) for check in self._checks))
        return {check.name: problem for check, problem in zip(self._checks, found, strict=True)}


async def _asked(check: Check) -> str:
    try:
        async with asyncio.timeout(_PATIENCE):
            return await check.problem()
    except TimeoutError:
        return f"no answer within {_PATIENCE:g} s"
    except (NbkitError, OSError) as error:
        return str(error)


def checks_of(service: Service) -> list[Check]:
    """What every server needs."""
    return [
        Check("accepting", service.draining.problem),
        Check("journal", service.store.problem),
        Check("workers", service.dispatcher.problem),
        _disk_check(service.settings.data_dir),
    ]


def _disk_check(folder: Path) -> Check:
    """Whether the data folder's disk has room."""

    async def problem() -> str:
        free = (await asyncio.to_thread(shutil.disk_usage, folder)).free
        return "" if free >= _LEAST_ROOM else f"{free // 2**20} MiB are free in {folder}"

    return Check("disk", problem)
