"""The runs of the past that are the same request, and the one that is most like it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbkit.history.canonical import fingerprint, versioned
from nbkit.history.notebook import ENDED
from nbkit.history.queries import search
from nbkit.history.record import EMBEDDED
from nbkit.model.address import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nbkit.history.record import RunRecord
    from nbkit.model.media import Media

_MOST_LOOKED_AT = 200
_MOST_TOLD = 4
_LONGEST = 80


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, before anything of it is sent.

    Attributes:
        endpoint: What is called.
        way: `queue`, `direct` or `stream`; it does not count for Dify, where all are one.
        given: The input. Files in it stand as they were given.
        hashes: Where these stand, and their SHA-256.
        version: Which published version is called, an empty string for the current one.
    """

    endpoint: str
    way: str
    given: Mapping[str, Any]
    hashes: Mapping[str, str] = field(default_factory=dict)
    version: str = ""

    @property
    def sha256(self) -> str:
        """The hash that all equal requests share."""
        return fingerprint(versioned(self.given, self.version), self.hashes)

    def is_way_of(self, record: RunRecord) -> bool:
        """Whether a run was called the same way."""
        return record.way in (self.way, "stream" if record.provider == "dify" else self.way)


def same_runs(asked: Asked, *states: str) -> Iterator[RunRecord]:
    """The runs of the same request that ended in one of some states, the latest first."""
    for record in search(endpoint=asked.endpoint, input_sha256=asked.sha256, status=states, limit=None):
        if record.endpoint == asked.endpoint and asked.is_way_of(record):
            yield record


def recorded(asked: Asked) -> list[RunRecord]:
    """The runs of the same request that are over, the oldest first."""
    return list(same_runs(asked, *ENDED))[::-1]


def reusable(asked: Asked, origin: str) -> RunRecord | None:
    """The latest success of the same request at the same service, all of whose files are here and unchanged.

    Args:
        asked: The request.
        origin: Where it would be sent.
    """
    for record in same_runs(asked, "succeeded"):
        if is_from(record, origin) and _is_whole(record):
            return record
    return None


def is_from(record: RunRecord, origin: str) -> bool:
    """Whether a service gave what a run gave; local models give the same at every address of this machine."""
    is_local = record.provider == "local" or (bool(record.stand_in) and record.provider != "dify")
    is_here = is_local and all(it == EMBEDDED or is_loopback(it) for it in (origin, record.origin))
    return record.origin == origin or (is_here and record.state == "succeeded")


def nearest(asked: Asked) -> str:
    """What the history holds instead of a request, for people."""
    held = search(endpoint=asked.endpoint, status=ENDED, limit=_MOST_LOOKED_AT)
    records = [record for record in held if record.endpoint == asked.endpoint]
    if not records:
        endpoints = sorted({record.endpoint for record in search(status=ENDED, limit=_MOST_LOOKED_AT)})
        known = ", ".join(endpoints[:_MOST_TOLD]) or "no runs at all"
        return f"the history holds {known}"
    record = min(records, key=lambda it: (len(_differences(asked, it)), not asked.is_way_of(it)))
    told = _differences(asked, record)[:_MOST_TOLD] or [
        f"it was called by {record.way}, and not by {asked.way}"
    ]
    return f"the nearest is {(record.request_id or record.id)[:8]} of {record.when:%Y-%m-%d %H:%M}: {'; '.join(told)}"


def _is_whole(record: RunRecord) -> bool:
    if record.result is None:
        return False
    return all(
        _is_unchanged(media) if media.sha256 else role != "output"
        for role, media in record.all_files
        if role != "input"
    )


def _is_unchanged(media: Media) -> bool:
    if media.path is None or not media.path.is_file():
        return False
    with media.path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == media.sha256


def _differences(asked: Asked, record: RunRecord) -> list[str]:
    """What is not the same in two inputs, name by name."""
    was = {media.place: media.sha256 for media in record.input_files if media.sha256}
    files = {place.partition(".")[0] for place in (*was, *asked.hashes)}
    told = [
        f"{name} is another file" for name in sorted(files) if _below(name, was) != _below(name, asked.hashes)
    ]
    for name in sorted({*asked.given, *record.input} - files):
        now, then = _shown(asked.given, name), _shown(record.input, name)
        if now != then:
            told.append(f"{name} is {now} here and {then} there")
    return told


def _below(name: str, hashes: Mapping[str, str]) -> dict[str, str]:
    return {place: sha256 for place, sha256 in hashes.items() if place.partition(".")[0] == name}


def _shown(given: Mapping[str, Any], name: str) -> str:
    text = json.dumps(given[name], ensure_ascii=False, default=repr) if name in given else "not given"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
