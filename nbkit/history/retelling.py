"""A run of the past as it was told then: its events with their files, its result, or its error."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nbkit import errors
from nbkit.errors import NbkitError, RunError, RunFailed, ServiceError
from nbkit.model.data_uri import data_uri_hash
from nbkit.model.event import Failed, Output, StepFinished
from nbkit.model.media import find_media
from nbkit.model.result import FromHistory

if TYPE_CHECKING:
    from pathlib import Path

    from nbkit.history.record import RunRecord
    from nbkit.model.event import Event
    from nbkit.model.media import Media
    from nbkit.model.result import Result

_HASHED = re.compile(r"data:([\w.+-]*/?[\w.+-]*);sha256=([0-9a-f]{64});bytes=\d+")
_HINT = "\n  → "
_DEEPEST = 100


def events_of(record: RunRecord) -> list[Event]:
    """What happened, each event with its time and its files."""
    files = [media for role, media in record.all_files if role != "input"]
    by_url = {media.url: media for media in files}
    by_hash = {media.sha256: media for media in files if media.path}
    result = record.result
    told: list[Event] = []
    for event in record.events:
        if told and isinstance(told[-1], Output) and told[-1].final:
            break  # what follows was told to whoever followed the run again
        if isinstance(event, Output):
            is_result = event.final and event.data is None and result is not None
            data = result.data if is_result and result is not None else _whole(event.data, by_hash, 0)
            media = _media(data, by_url, by_hash)
            told.append(
                replace(event, data=data, media=media, raw=event.raw if event.raw is not None else data)
            )
        elif isinstance(event, StepFinished):
            output = _whole(event.output, by_hash, 0)
            told.append(replace(event, output=output, media=_media(output, by_url, by_hash)))
        else:
            told.append(event)
    return told


def result_of(record: RunRecord, *, is_replay: bool) -> Result | None:
    """What it gave, with a word of where it is from; reused, it costs nothing."""
    result = record.result
    if result is None:
        return None
    origin = FromHistory(record.created, record.request_id, record.id, is_replay)
    ended_at = record.ended or record.created
    again = replace(result, from_history=origin, ended_at=ended_at)
    return again if is_replay else replace(again, cost=0.0, billable_units=0.0)


def error_of(record: RunRecord, events: list[Event]) -> NbkitError:
    """Why it ended badly, as the error of then."""
    name, _, told = record.error_type.partition(": ")
    message, _, hint = record.error.partition(_HINT)
    kind = getattr(errors, name, NbkitError)
    failed = next((event for event in reversed(events) if isinstance(event, Failed)), Failed())
    about: dict[str, Any] = {"hint": hint}
    if not (isinstance(kind, type) and issubclass(kind, NbkitError)):
        kind = NbkitError
    if issubclass(kind, (RunError, ServiceError)):
        about["request_id"] = record.request_id
    if issubclass(kind, RunError):
        about["endpoint"] = record.endpoint
    if issubclass(kind, (RunFailed, ServiceError)):
        about |= {"status": failed.status, "error_type": told, "body": failed.raw}
    if issubclass(kind, RunFailed):
        about["node"] = failed.node
    return kind(message or f"{record.endpoint}: {record.state}", **about)


def _media(data: Any, by_url: dict[str, Media], by_hash: dict[str, Media]) -> tuple[Media, ...]:
    return tuple(_kept(media, by_url, by_hash) for media in find_media(data))


def _kept(media: Media, by_url: dict[str, Media], by_hash: dict[str, Media]) -> Media:
    is_inline = media.url.startswith("data:")
    kept = by_hash.get(data_uri_hash(media.url)[0]) if is_inline else by_url.get(media.url)
    if kept is None:
        return replace(media, problem="it is not in the history")
    return replace(kept, url=media.url, place=media.place)


def _whole(value: Any, by_hash: dict[str, Media], depth: int) -> Any:
    """JSON with its inline files, of which the history keeps the hash in their place."""
    if isinstance(value, str):
        return _inline(value, by_hash)
    if depth > _DEEPEST:
        return value
    if isinstance(value, dict):
        return {name: _whole(inner, by_hash, depth + 1) for name, inner in value.items()}
    if isinstance(value, list):
        return [_whole(inner, by_hash, depth + 1) for inner in value]
    return value


def _inline(text: str, by_hash: dict[str, Media]) -> str:
    hashed = _HASHED.fullmatch(text)
    kept: Path | None = by_hash[hashed[2]].path if hashed and hashed[2] in by_hash else None
    if hashed is None or kept is None or not kept.is_file():
        return text
    return f"data:{hashed[1]};base64,{base64.b64encode(kept.read_bytes()).decode()}"
