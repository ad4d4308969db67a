"""Requests that are kept with what they gave, to see on another day whether they still do."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbkit.client.client import Client
from nbkit.errors import InputError, MediaError
from nbkit.experiments import lines
from nbkit.experiments.repro import Repeats, Request, bill, compared, schema_hash, send, today
from nbkit.model.media import Media
from nbkit.widgets.originals import Originals

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nbkit.client.run import Run
    from nbkit.history.record import RunRecord
    from nbkit.model.result import Result

_KIND = "nbkit pinned requests"
_LARGEST = 50_000_000
_MOST = 1_000
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PREFIX = 16


class Pinned:
    """A set of requests with what they gave.

    Args:
        things: Runs, results or records of the history.

    Attributes:
        requests: What was asked, and what came.
        schemas: Endpoint → the hash of what its service said about it.
        date: When they were pinned, in UTC.

    Raises:
        InputError: Something among them gave no result, or was not kept whole.
        NbkitError: A run ended badly.
    """

    def __init__(self, things: Iterable[Run | Result | RunRecord], *, client: Client | None = None) -> None:
        self.requests = [Request.of(thing) for thing in things]
        self._client = client or Client()
        self.date = today()
        names = dict.fromkeys(request.endpoint for request in self.requests)
        self.schemas = {name: schema_hash(self._client, name) for name in names}

    def __len__(self) -> int:
        return len(self.requests)

    def save(self, path: str | Path) -> Path:
        """Write them as JSON, and their files into a folder beside it, which has the same name and `_files`.

        Raises:
            InputError: The name has another ending than `.json`.
            MediaError: The file or the folder cannot be written.
        """
        target = Path(path).expanduser()
        if target.suffix.lower() != ".json":
            raise InputError(f"pinned requests are written as .json, not {target.name!r:.60}", field="path")
        beside = Originals(target.parent, f"{target.stem}_files")
        told = [_told(request) for request in self.requests]
        document = {"kind": _KIND, "date": self.date, "schemas": self.schemas, "requests": told}
        for media in (media for request in self.requests for media in request.media):
            if not beside.keep(media.figure()).original:
                raise MediaError(f"cannot keep {media.name} beside {target}: {media.problem or 'it is gone'}")
        try:
            target.write_text(json.dumps(document, indent=1, ensure_ascii=False), encoding="utf-8")
        except (OSError, ValueError, TypeError) as error:
            raise MediaError(f"cannot write {target}: {error}") from error
        return target

    @classmethod
    def read(cls, path: str | Path, *, client: Client | None = None) -> Pinned:
        """Read what `save` wrote.

        Raises:
            InputError: It is no such file, or a request in it names a file of this machine.
            MediaError: It cannot be read.
        """
        source = Path(path).expanduser()
        try:
            content = source.read_bytes() if source.stat().st_size <= _LARGEST else b""
        except OSError as error:
            raise MediaError(f"cannot read {source}: {error.strerror or error}") from error
        document = lines.parsed(content)
        if not isinstance(document, dict) or document.get("kind") != _KIND:
            raise InputError(f"{source.name} holds no pinned requests", field="path")
        told, schemas = document.get("requests"), document.get("schemas")
        if not isinstance(told, list) or len(told) > _MOST or not isinstance(schemas, dict):
            raise InputError(f"{source.name} has no list of requests", field="path")
        folder = source.parent / f"{source.stem}_files"
        pinned = cls((), client=client)
        pinned.requests = [_request(it, number, source.name, folder) for number, it in enumerate(told, 1)]
        pinned.date, pinned.schemas = str(document.get("date", "")), schemas
        return pinned

    def check(self) -> Repeats:
        """Send every request again, and tell what came beside what came then. Each is billed like any other."""
        results = send(self.requests, self._client)
        rows = [
            row
            for number, (request, result) in enumerate(zip(self.requests, results, strict=True), 1)
            for row in compared(number, request, result)
        ]
        changed = [
            name for name, known in self.schemas.items() if known and schema_hash(self._client, name) != known
        ]
        same = sum(row["verdict"] not in ("", "different") for row in rows)
        words = [
            f"pinned {self.date}: {same} of {len(rows)} as they were",
            f"schema changed: {', '.join(map(str, changed))}" if changed else "",
            bill(results),
        ]
        return Repeats(" · ".join(filter(None, words)), rows)

    def __repr__(self) -> str:
        return f"<{len(self)} pinned requests of {self.date}>"


def _told(request: Request) -> dict[str, Any]:
    files = [
        {"place": it.place, "sha256": it.sha256, "content_type": it.content_type, "name": it.name}
        for it in request.media
    ]
    return {
        "endpoint": request.endpoint,
        "input": request.input,
        "output": request.data if not files else None,
        "stand_in": request.stand_in,
        "files": files,
    }


def _request(told: Any, number: int, name: str, folder: Path) -> Request:
    if not isinstance(told, dict):
        told = {}
    endpoint, given, files = told.get("endpoint"), told.get("input"), told.get("files")
    if not isinstance(endpoint, str) or not isinstance(given, dict) or not isinstance(files, list):
        raise InputError(f"{name}: request {number} is none", field="path")
    _refuse_paths(given, f"{name}: request {number}")
    media = tuple(_media(it, f"{name}: request {number}", folder) for it in files)
    return Request(endpoint, given, media, told.get("output"), None, str(told.get("stand_in") or ""))


def _media(told: Any, where: str, folder: Path) -> Media:
    texts = (
        [told.get(it) for it in ("place", "sha256", "content_type", "name")]
        if isinstance(told, dict)
        else [None]
    )
    if not all(isinstance(text, str) for text in texts) or not _SHA256.fullmatch(texts[1] or ""):
        raise InputError(f"{where}: a file in it is none", field="path")
    place, sha256, content_type, file_name = (str(text) for text in texts)
    return Media("", content_type, file_name, place=place, sha256=sha256, path=_found(folder, sha256))


def _found(folder: Path, sha256: str) -> Path | None:
    """The file with this content, None where it is not there, or was changed."""
    for path in folder.glob(f"{sha256[:_PREFIX]}*"):
        try:
            with path.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() == sha256:
                    return path
        except OSError:
            continue
    return None


def _refuse_paths(value: Any, where: str, *, names_file: bool = False) -> None:
    """A file from elsewhere must not choose which files of this machine are sent."""
    if isinstance(value, str) and names_file and "://" not in value and not value.startswith("data:"):
        raise InputError(f"{where} names a file of this machine: {value!r:.60}", field="path")
    inner: Sequence[tuple[str, Any]] = ()
    if isinstance(value, dict):
        inner = [*value.items()]
    elif isinstance(value, list):
        inner = [("", it) for it in value]
    for name, it in inner:
        _refuse_paths(it, where, names_file=names_file or name.endswith(("_url", "_urls")))
