"""Whether a request is taken from history instead of being paid for again."""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from nbkit import config
from nbkit.display.expense import money
from nbkit.display.slot import in_notebook
from nbkit.display.state import age
from nbkit.errors import ConfigError, InputError
from nbkit.history.past import Asked, reusable
from nbkit.history.retelling import error_of, events_of, result_of
from nbkit.model.event import Log
from nbkit.providers.functions import unchanged_since

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbkit.client.run import Run
    from nbkit.config import Setting
    from nbkit.history.record import RunRecord
    from nbkit.model.endpoint import Endpoint
    from nbkit.providers.inputs import Draft

MODES = ("never", "ask", "always")
_LOOK_AGAIN = 5.0  # seconds after which settings are read again
CANNOT_ASK = "reuse='ask' cannot ask anybody here, so the request is sent"


@dataclass(frozen=True, slots=True)
class Reuse:
    """A request that may be taken from history.

    Attributes:
        endpoint: What is called.
        draft: Its input.
        way: How it is called.
        version: Which published version, an empty string for the current one.
        chosen: The run of the past that was chosen already, None for the latest.
    """

    endpoint: Endpoint
    draft: Draft
    way: str
    version: str = ""
    chosen: RunRecord | None = None

    async def find(self, origin: str) -> RunRecord | None:
        """The run whose result is taken; None where there is none, or a file of the input is too large to compare."""
        if self.chosen is not None:
            return self.chosen
        asked = await self.asked()
        found = await asyncio.to_thread(reusable, asked, origin) if asked else None
        return found if found and found.created >= unchanged_since(str(self.endpoint)) else None

    async def asked(self) -> Asked | None:
        """The request, its files by what is in them; None where one is too large to be read for that."""
        hashes = await self.draft.hashes()
        if hashes is None:
            return None
        return Asked(str(self.endpoint), self.way, self.draft.data, hashes, self.version)


def mode_for(endpoint: Endpoint, given: str | None) -> str:
    """`never`, `ask` or `always`: what the call says, else the settings for the endpoint, else those for all.

    Raises:
        InputError: The call says something else.
        ConfigError: The settings do.
    """
    if given is not None:
        if given not in MODES:
            raise InputError(f"reuse is {', '.join(MODES)}, not {given!r:.60}", field="reuse")
        return given
    found = _settings(str(config.config_file()), str(Path.cwd()), int(time.monotonic() / _LOOK_AGAIN))
    setting = found.get(("reuse", str(endpoint))) or found.get(("reuse",))
    if setting is None:
        return MODES[0]
    if setting.value not in MODES:
        raise ConfigError(f"{setting.source}: reuse is {', '.join(MODES)}, not {setting.value!r:.60}")
    return str(setting.value)


@lru_cache(maxsize=4)
def _settings(_own: str, _folder: str, _moment: int) -> Mapping[tuple[str, ...], Setting]:
    try:
        return config.settings()
    except (
        ConfigError
    ):  # told where settings are used; a run that says nothing of them must not fail for them
        return {}


def confirmed(record: RunRecord) -> bool | None:
    """Ask whether a run of the past will do; None where nobody can be asked."""
    if not (in_notebook() or (sys.stdin is not None and sys.stdin.isatty())):
        return None
    cost = f", for {money(record.cost)}" if record.cost is not None else ""
    when = age(time.time() - record.created)
    question = f"{record.endpoint} did just this {when}{cost}. Take its result and send nothing?"
    try:
        return input(f"{question} [Y/n] ").strip().lower() in ("", "y", "yes")
    except (EOFError, NotImplementedError):  # a kernel without a person, as nbclient's and papermill's
        return None


def retell(run: Run, record: RunRecord, *, is_replay: bool) -> None:
    """Have a run be one of the past: its id, its events and its end."""
    events, result = events_of(record), result_of(record, is_replay=is_replay)
    # As its conductor, which alone changes a run.
    seconds = record.seconds or 0.0
    run.began = record.created if record.ended is None else record.ended - seconds
    run.is_from_history, run._input, run._ended = True, dict(record.input), run._began + seconds  # noqa: SLF001
    run._accept(record.request_id, record.stand_in)  # noqa: SLF001
    if not is_replay:
        when = f"{record.when:%Y-%m-%d %H:%M}"
        said = f"taken from history, not billed again: {record.request_id or record.id} of {when}"
        run._publish(Log(said, at=record.created))  # noqa: SLF001
    for event in events:
        run._publish(event)  # noqa: SLF001
    is_well = record.state == "succeeded" and result is not None
    run._settle(result if is_well else None, None if is_well else error_of(record, events))  # noqa: SLF001
