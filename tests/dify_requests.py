"""The recorded requests to Dify servers, and the same requests for the apps of the local server."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tests.dify_recordings import FOLDER

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_KEY = "app-000000000000000000000000"
_NAMES = {"steps": "seed", "style": "model_name", "negative": "negative_prompt"}
_VALUES = {"anime": "dosmix_"}
_LONGEST_PROMPT = 4000
CHECKPOINTS = [
    "chilloutmix_NiPrunedFp32Fix",
    "dosmix_",
    "ghostmix_v20Bakedvae",
    "rundiffusionFX_v10",
    "v1-5-pruned-emaonly",
]


@dataclass(frozen=True)
class Asked:
    """One request.

    Attributes:
        method: HTTP method.
        path: Path and query.
        headers: Header fields.
        body: The body, where it is no form.
        form: The parts of a form, as they were given to curl.
    """

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    form: tuple[str, ...] = ()

    @property
    def json(self) -> Any:
        """The body, parsed; None where it is no JSON object."""
        try:
            parsed = json.loads(self.body or "")
        except ValueError:
            return None
        return parsed if isinstance(parsed, dict) else None


@cache
def requests(version: str) -> dict[str, Asked]:
    """The requests of a version, by the name of what answered."""
    index = (FOLDER / version / "INDEX.md").read_text("utf-8")
    found = re.findall(r"^- `([^`]+)` -> .*\n  `(curl .*)`$", index, re.MULTILINE)
    return {name: _read(shlex.split(line)[1:]) for name, line in found}


def translated(asked: Asked, key: str, ids: Mapping[str, str]) -> Asked:
    """The same request for the local app that makes pictures, with its names and limits.

    Args:
        asked: The recorded request.
        key: The key of the local app.
        ids: What to write in place of recorded ids.
    """
    headers = {name: value.replace(NO_KEY, key) for name, value in asked.headers.items()}
    for old, new in ids.items():
        asked = replace(asked, path=asked.path.replace(old, new))
    given = asked.json
    if given is None or not isinstance(given.get("inputs"), dict):
        return replace(asked, headers=headers)
    inputs = {_NAMES.get(name, name): _value(value) for name, value in given["inputs"].items()}
    return replace(asked, headers=headers, body=json.dumps(given | {"inputs": inputs}))


def translated_message(message: str) -> str:
    """What a server said, with the names and limits of the local app."""
    for name, own in _NAMES.items():
        message = re.sub(rf"\b{name}\b", own, message)
    message = message.replace("48 characters", f"{_LONGEST_PROMPT} characters")
    message = message.replace("TEXT_INPUT", "PARAGRAPH").replace("text-input", "paragraph")
    return re.sub(r"one of the following: .*", f"one of the following: {CHECKPOINTS}", message)


def _value(value: Any) -> Any:
    if isinstance(value, str):
        return _VALUES.get(value, value) if not value.startswith("xxx") else "x" * (_LONGEST_PROMPT + 1)
    return value


def _read(words: list[str]) -> Asked:
    method, url, headers, body, form = "", "", {}, None, []
    rest = iter(words)
    for word in rest:
        if word == "-H":
            name, _, value = next(rest).partition(": ")
            headers[name] = value
        elif word in ("-o", "-D"):
            next(rest)
        elif word == "-X":
            method = next(rest)
        elif word == "-d":
            body = next(rest)
        elif word == "-F":
            form.append(next(rest))
        elif word == "-I":
            method = "HEAD"
        else:
            url = word
    parts = urlsplit(url)
    sends = body is not None or form
    if body is not None and "Content-Type" not in headers:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    return Asked(
        method or ("POST" if sends else "GET"),
        parts.path + (f"?{parts.query}" if parts.query else ""),
        headers,
        body,
        tuple(form),
    )
