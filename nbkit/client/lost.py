"""Looking for runs of the history whose id never came back: their kernel ended while they were sent."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbkit.client.conduct import check_place
from nbkit.errors import NbkitError, ServiceError
from nbkit.history.canonical import fingerprint
from nbkit.model.address import origin
from nbkit.model.endpoint import Endpoint
from nbkit.providers.reply import Reply
from nbkit.wire.dify.logs import log_query
from nbkit.wire.fal.openapi import is_fal
from nbkit.wire.fal.requests import read_requests, search_url

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbkit.client.dify_line import DifyLine
    from nbkit.client.session import Line, Session
    from nbkit.history import RunRecord
    from nbkit.wire.fal.requests import Listed

_ON_ITS_WAY = 1.0  # seconds after which what a dead process had sent has arrived
_DIFY_EARLIER, _DIFY_LATER = 120.0, 900.0
_MOST_ASKED = 20
_LOOK = "look for it in the service's own list of requests before you send it again"


@dataclass(frozen=True, slots=True)
class Trace:
    """What could be learnt of a run.

    Attributes:
        request_id: The service's id, where there is one request that it must be.
        reply: What the service has on record of it, where it cannot be followed by its id.
        failure: Why it failed, where that is on record.
        is_absent: Whether it certainly never arrived.
        candidates: The ids of requests that may be it.
        advice: What is known and what can be done, where it was not found.
    """

    request_id: str = ""
    reply: Reply | None = None
    failure: str = ""
    is_absent: bool = False
    candidates: tuple[str, ...] = ()
    advice: str = ""


async def trace(session: Session, record: RunRecord, taken: Iterable[str]) -> Trace:
    """Look for a run at its service. Nothing is sent again.

    Args:
        session: Who is asked.
        record: The run.
        taken: The ids of requests that are other runs of the history.
    """
    endpoint = Endpoint.parse(record.endpoint)
    try:
        if endpoint.provider == "dify":
            app = await session.dify(endpoint)
            check_place(record, app.service.place.origin)
            return await _traced_in_logs(app, record, frozenset(taken))
        line = await session.line(endpoint)
        check_place(record, origin(line.service.hosts.queue))
        return await _traced(line, record, frozenset(taken))
    except NbkitError as error:
        return Trace(advice=f"nobody could be asked: {str(error).partition(chr(10))[0]}; {_LOOK}")


async def _traced(line: Line, record: RunRecord, taken: frozenset[str]) -> Trace:
    hosts = line.service.hosts
    may_follow = record.way == "queue"
    if not is_fal(hosts):
        if not may_follow:
            return Trace(advice="a direct call or stream ends with whoever called, and leaves nothing behind")
        await asyncio.sleep(max(0.0, min(_ON_ITS_WAY, record.created + _ON_ITS_WAY - time.time())))
    url = search_url(hosts, record.endpoint, record.id, record.created, record.request_id)
    answer = await line.service.transport.send("GET", url, read_timeout=20.0)
    if answer.status != 200:  # noqa: PLR2004
        raise line.service.refusal(answer.status, answer.headers, answer.content).error("looking for it")
    try:
        listed = read_requests(json.loads(answer.content))
    except (ValueError, RecursionError):
        listed = None
    if listed is None:
        raise ServiceError("the service's list of requests cannot be read, or is too long")
    others = [it for it in listed if it.request_id == record.request_id or it.request_id not in taken]
    if not is_fal(hosts):
        return Trace(others[-1].request_id) if others else Trace(is_absent=True)
    same = [it for it in others if it.request_id == record.request_id or _is_input_of(record, it.given)]
    if len(same) == 1:
        return _found(same[0], may_follow=may_follow)
    return _unclear([it.request_id for it in same or others], len(same))


def _found(listed: Listed, *, may_follow: bool) -> Trace:
    if may_follow:
        return Trace(listed.request_id)
    if listed.status >= 400:  # noqa: PLR2004 - where HTTP's errors begin
        return Trace(listed.request_id, failure=f"the service says that it failed (HTTP {listed.status})")
    if listed.output is None:
        return Trace(
            candidates=(listed.request_id,), advice="the service has it, and does not tell its output"
        )
    return Trace(listed.request_id, Reply(listed.output, listed.request_id))


def _unclear(candidates: list[str], same: int) -> Trace:
    if not candidates:
        return Trace(advice=f"the service lists no such request; its list may be late: {_LOOK}")
    number = len(candidates)
    what = "have its input" if same else f"came at its time, none known to have its input: {_LOOK}"
    return Trace(candidates=tuple(candidates), advice=f"{number} request{'s' * (number > 1)} {what}")


async def _traced_in_logs(app: DifyLine, record: RunRecord, taken: frozenset[str]) -> Trace:
    after, before = record.created - _DIFY_EARLIER, record.created + _DIFY_LATER
    moments = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment)) for moment in (after, before)]
    logs = await app.app.logs(log_query(None, None, moments[1], moments[0], app.service.user, 1, 100))
    ids = [str(row["run"]) for row in logs.to_records() if row["run"] and str(row["run"]) not in taken]
    same = [one for one in ids[:_MOST_ASKED] if await _has_input(app, one, record)]
    if len(same) == 1 and len(ids) <= _MOST_ASKED:
        return Trace(same[0])
    return _unclear(same or ids, len(same))


async def _has_input(app: DifyLine, run_id: str, record: RunRecord) -> bool:
    told = (await app.service.record(run_id)).raw
    given = told.get("inputs") if isinstance(told, dict) else None
    try:
        values = json.loads(given) if isinstance(given, str) else given
    except (ValueError, RecursionError):
        return False
    if not isinstance(values, dict):
        return False
    own = {name: value for name, value in values.items() if not str(name).startswith("sys.")}
    return _is_input_of(record, own)


def _is_input_of(record: RunRecord, given: Any) -> bool:
    """Whether an input is the one that was sent, files by their addresses: no two uploads have the same."""
    return isinstance(given, dict) and fingerprint(given) in (record.input_sha256, fingerprint(record.input))
