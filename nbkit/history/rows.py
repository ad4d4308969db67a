"""Values as they stand in the file: the one place where they are scrubbed, shortened and written as text."""

from __future__ import annotations

import json
import math
import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from nbkit.history.canonical import fingerprint
from nbkit.history.scrub import may_hold_secrets, scrub, scrub_text
from nbkit.model import event as events_module
from nbkit.model.data_uri import data_uri_content, data_uri_hash
from nbkit.model.event import Event, Output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from nbkit.history.files import FileStore
    from nbkit.model.media import Media

_LONGEST_DATA_URI = 2048
_LONGEST_TEXT = 64 * 1024  # characters of one text in an input or event
_LONGEST_JSON = 1024 * 1024  # characters of one input or batch of events
_LONGEST_RESULT = 256 * 1024  # a longer one has a file of its own
_LONGEST_WORDS = 20_000
_DEEPEST = 100
_JSON = frozenset({"asked", "input", "metrics", "result"})
# Scripts that put no spaces between words: each of their characters is a word to the search.
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)


EVENTS = {
    name: kind
    for name, kind in vars(events_module).items()
    if isinstance(kind, type) and issubclass(kind, Event)
}
"""The kinds of events by their names."""
_NAMES = {
    name: tuple(it.name for it in fields(kind) if it.name not in ("raw", "at", "media"))
    for name, kind in EVENTS.items()
}


def run_row(values: Mapping[str, Any], known: Mapping[str, str], store: FileStore) -> dict[str, Any]:
    """What is known of a run as columns.

    Args:
        values: Names of columns and their values, as they are in Python.
        known: Where files stand in the input, and their SHA-256.
        store: Where results go that are too large for a row.
    """
    row = _plain_all({name: it for name, it in values.items() if name not in _JSON})
    if "input" in values:
        row["input"] = written(values["input"])
        row["input_sha256"] = fingerprint(values.get("asked", values["input"]), known)
        words = " ".join(_texts(json.loads(row["input"]), 0))[:_LONGEST_WORDS]
        row["text"] = searchable(_encodable(words))
    if values.get("metrics"):
        row["metrics"] = written(values["metrics"])
    if "result" in values:
        row["result"], row["result_sha256"] = _result(values["result"], store)
    return row


def event_row(events: Sequence[Event]) -> str:
    """Events that came together, as one JSON text: each with its name, time, values and the JSON it came from."""
    told = [_told(event) for event in events]
    texts = [_json(it) for it in told]
    if _needs_care("".join(texts)) or max(map(len, texts)) > _LONGEST_TEXT:
        texts = [written(it) for it in told]
    if sum(map(len, texts)) > _LONGEST_JSON:
        texts = [written(it, _LONGEST_TEXT) for it in told]
    return f"[{','.join(texts)}]"


def event_identity(event: Event) -> str:
    """What stays the same when a service tells an event again, at another time."""
    kind, _, values, _ = _told(event)
    return _json([kind, values])


def file_row(media: Media, role: str, store: FileStore) -> tuple[Any, ...]:
    """A file as the columns of its row, without the run's."""
    path = ""
    if media.path is not None:
        inside = media.path.is_relative_to(store.folder)
        path = media.path.relative_to(store.folder).as_posix() if inside else str(media.path)
    values = {
        "role": role,
        "place": media.place,
        "sha256": media.sha256,
        "path": path,
        "url": media.url,
        "content_type": media.content_type,
        "file_name": media.file_name,
        "size": media.size,
        "width": media.width,
        "height": media.height,
        "problem": media.problem,
    }
    return tuple(_plain_all(values).values())


def written(value: Any, longest: int = _LONGEST_JSON) -> str:
    """JSON values as text without secrets, blobs replaced by their hashes, and with an end."""
    text = _json(value)
    if '"data:' in text:
        text = _json(value := _each_text(value, _hashed))
    if may_hold_secrets(text):
        text = _json(value := scrub(value))
    if len(text) > _LONGEST_TEXT:  # after the scrubbing: half of a key would not be known as one
        text = _json(_each_text(value, _cut))
    if len(text) > longest:
        text = json.dumps({"cut": f"{len(text)} characters of JSON, which is too much to be kept here"})
    return text


def _needs_care(text: str) -> bool:
    return '"data:' in text or may_hold_secrets(text)


def searchable(text: str) -> str:
    """A text as the search sees it."""
    return _UNSPACED.sub(r" \g<0> ", text.replace("\0", " "))


def _plain_all(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as SQLite takes them."""
    doubtful = may_hold_secrets("\n".join(it for it in values.values() if isinstance(it, str)))
    return {name: _plain(value, doubtful=doubtful) for name, value in values.items()}


def _plain(value: Any, *, doubtful: bool) -> Any:
    if isinstance(value, str):
        text = _hashed(_encodable(value))
        return _cut(scrub_text(text) if doubtful else text)
    if isinstance(value, float) and math.isnan(value):
        return None
    return value


def _encodable(text: str) -> str:
    """Text as it can be written: half a character, as broken programs leave it, cannot."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _result(value: Any, store: FileStore) -> tuple[str | None, str | None]:
    text = _json(value)
    if may_hold_secrets(text):
        text = _json(scrub(value))
    if len(text) <= _LONGEST_RESULT:
        return text, None
    incoming = store.incoming()
    try:
        incoming.write(text.encode("ascii"))
        return None, incoming.keep(".json").sha256
    except BaseException:
        incoming.drop()
        raise


def _told(event: Event) -> list[Any]:
    values = {
        name: value
        for name in _NAMES[type(event).__name__]
        if (value := getattr(event, name)) not in ("", None)
    }
    raw = event.raw
    if isinstance(event, Output) and event.final:
        values.pop("data", None)  # the result itself stands in the row of its run
        raw = None
    elif raw is not None and any(raw is value for value in values.values()):
        raw = None
    return [type(event).__name__, round(event.at, 4), values, raw]


_encode = json.JSONEncoder(separators=(",", ":"), default=repr).encode


def _json(value: Any) -> str:
    try:
        return _encode(value)
    except (
        ValueError,
        TypeError,
        RecursionError,
    ):  # nested without an end, or a number of thousands of digits
        return json.dumps({"cut": f"{type(value).__name__} that cannot be written as JSON"})


def _each_text(value: Any, change: Callable[[str], str], depth: int = 0) -> Any:
    if isinstance(value, str):
        return change(value)
    if depth > _DEEPEST:
        return "…"
    if isinstance(value, dict):
        return {name: _each_text(inner, change, depth + 1) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_each_text(inner, change, depth + 1) for inner in value]
    return value


def _hashed(text: str) -> str:
    """A file that stands in the text itself, as its hash, where it is long or holds a secret."""
    if not text.startswith("data:") or (len(text) <= _LONGEST_DATA_URI and not _hides_secret(text)):
        return text
    sha256, size = data_uri_hash(text)
    return f"data:{text[5:200].partition(',')[0].partition(';')[0]};sha256={sha256};bytes={size}"


def _hides_secret(data_uri: str) -> bool:
    content = data_uri_content(data_uri).decode("utf-8", "replace")
    return scrub_text(content) != content


def _cut(text: str) -> str:
    if len(text) <= _LONGEST_TEXT:
        return text
    return f"{text[:_LONGEST_TEXT]}… [{len(text) - _LONGEST_TEXT} characters cut]"


def _texts(value: Any, depth: int) -> Iterator[str]:
    """The words of an input; addresses and hashes are none."""
    if isinstance(value, str):
        if not value.startswith(("http://", "https://", "data:", "sha256:")):
            yield value
    elif depth < _DEEPEST and isinstance(value, (dict, list)):
        inner: Iterable[Any] = value.values() if isinstance(value, dict) else value
        for it in inner:
            yield from _texts(it, depth + 1)
