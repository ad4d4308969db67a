"""Runs as rows of the journal, and back."""

from __future__ import annotations

import functools
import json
import math
import time
from typing import Any, TypeVar

from nbkit.server.journal import Entry
from nbkit.server.runs import Outcome, Run

_OPTIONS = ("file_seconds", "keeps_input", "start_by", "cancelled", "caller_name", "user")
_KEPT_LOGS = 1000
_KEPT_LOG_CHARACTERS = 256_000
AnyRun = TypeVar("AnyRun", bound=Run)


def entry_of(run: Run, outcome: Outcome | None = None) -> Entry:
    """A run as the journal keeps it, with its end where it has one."""
    entry = Entry(
        run.seq,
        run.id,
        run.endpoint,
        run.app,
        run.stand_in,
        run.priority,
        _options(*(getattr(run, name) for name in _OPTIONS)),
        json.dumps(run.webhook) if run.webhook else None,
        run.submitted,
        run.starts,
    )
    if outcome is None:
        return entry
    return entry._replace(
        ended=time.time(),
        expires=run.expires,
        seconds=run.seconds,
        logs=json.dumps(newest(run.logs)) if run.logs else None,
        status=outcome.status,
        headers=json.dumps(outcome.headers),
        body=outcome.body,
    )


@functools.lru_cache(maxsize=256)
def _options(*values: Any) -> str:
    # Remembered, because most requests have none and are alike.
    return json.dumps(dict(zip(_OPTIONS, values, strict=True)))


def newest(logs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As many of the newest log entries as are worth keeping."""
    kept: list[dict[str, Any]] = []
    characters = 0
    for entry in reversed(logs[-_KEPT_LOGS:]):
        characters += len(entry["message"])
        if characters > _KEPT_LOG_CHARACTERS:
            break
        kept.append(entry)
    return kept[::-1]


def recalled(entry: Entry, kind: type[AnyRun]) -> AnyRun:
    """A run as the journal knows it."""
    options = json.loads(entry.options)
    run = kind(
        endpoint=entry.endpoint,
        app=entry.app,
        given=None,
        stand_in=entry.stand_in,
        priority=entry.priority,
    )
    for name in _OPTIONS:
        setattr(run, name, options.get(name, getattr(run, name)))  # an earlier server knew fewer
    run.id, run.seq, run.submitted, run.starts = entry.id, entry.seq, entry.submitted, entry.starts
    run.webhook = tuple(json.loads(entry.webhook)) if entry.webhook else None
    run.away = True
    if entry.status is not None and entry.body is not None:
        run.logs = json.loads(entry.logs or "[]")
        run.seconds = entry.seconds
        run.expires = entry.expires or math.inf
        run.finish(Outcome(entry.status, entry.body, json.loads(entry.headers or "{}")))
    return run
