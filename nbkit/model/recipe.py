"""What it takes to make a file again, in a form that may be passed on."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from nbkit.credentials import held_keys
from nbkit.errors import MediaError
from nbkit.model.data_uri import data_uri_hash
from nbkit.secrets import scrub

if TYPE_CHECKING:
    from collections.abc import Iterable

_FORMAT = 1
_DEEPEST = 60
_LONGEST = 4_000_000  # characters of a recipe; a longer one is none
_SIGNS = re.compile(
    r"(?i)(^|[&;])[\w.-]*(sig|signature|token|expires|credential|key-pair-id|policy|secret|key)="
)
_HASHED = re.compile(r"data:[^,;]*;sha256=([0-9a-f]{64});")  # as the history writes a file in an input
_SETTINGS = {
    "num_inference_steps": "Steps",
    "steps": "Steps",
    "scheduler": "Sampler",
    "sampler": "Sampler",
    "guidance_scale": "CFG scale",
    "cfg_scale": "CFG scale",
    "strength": "Denoising strength",
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a file was made.

    Attributes:
        endpoint: What was called.
        input: What was sent. Written down, files that were in it are named by their hash (`sha256:…`), and keys and
            the signatures of addresses are left out.
        seed: The seed that the model says it used, else the one that was sent; None where there is none.
        request_id: The service's id of the run.
        provider: Who answered: `fal`, `dify` or `local`.
        stand_in: The local model that answered in place of the endpoint, an empty string for the real one.
        software: What wrote it, as `nbkit 0.1.0`.
        time: When the run ended, in UTC, as ISO 8601 has it.
        place: Where the file stood in the output, as `images.0`.
        index: Which of the output's files it was, from 0.
    """

    endpoint: str
    input: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    request_id: str = ""
    provider: str = ""
    stand_in: str = ""
    software: str = ""
    time: str = ""
    place: str = ""
    index: int = 0

    @classmethod
    def read(cls, text: str) -> Recipe:
        """Read a recipe as it was written.

        Raises:
            MediaError: It is none.
        """
        try:
            given = json.loads(text) if len(text) <= _LONGEST else None
        except (ValueError, RecursionError):
            given = None
        if not isinstance(given, dict) or not isinstance(given.get("nbkit"), int):
            raise MediaError("this is no recipe of nbkit")
        kinds = {"input": dict, "seed": int, "index": int}
        known: dict[str, Any] = {
            name: value
            for name in cls.__slots__
            if isinstance(value := given.get(name), kinds.get(name, str)) and not isinstance(value, bool)
        }
        if not known.get("endpoint"):
            raise MediaError("this recipe names no endpoint")
        return cls(**known)

    def text(self) -> str:
        """The recipe as JSON that may be passed on: without keys, signatures of addresses and contents of files."""
        told = _clean(
            {"nbkit": _FORMAT} | {name: getattr(self, name) for name in self.__slots__}, held_keys(), 0
        )
        return json.dumps(
            {name: value for name, value in told.items() if value not in ("", None)}, ensure_ascii=False
        )

    def parameters(self, size: tuple[int | None, int | None] = (None, None)) -> str:
        """Prompt and settings as other tools read and show them; an empty string without a prompt.

        Args:
            size: Width and height of the picture in pixels.
        """
        told = json.loads(self.text())["input"]
        prompt = told.get("prompt")
        if not isinstance(prompt, str) or not prompt.strip():
            return ""
        lines = [prompt]
        if isinstance(negative := told.get("negative_prompt"), str) and negative:
            lines.append(f"Negative prompt: {negative}")
        settings = {
            label: told[name]
            for name, label in _SETTINGS.items()
            if isinstance(told.get(name), (int, float, str))
        }
        if self.seed is not None:
            settings["Seed"] = self.seed
        if all(size):
            settings["Size"] = f"{size[0]}x{size[1]}"
        settings |= {"Model": self.endpoint, "Version": self.software, "Provider": self.provider}
        lines.append(", ".join(f"{label}: {_quoted(value)}" for label, value in settings.items()))
        return "\n".join(lines)


def _quoted(value: Any) -> str:
    """A value as it stands in a list: these tools quote what holds a separator."""
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if re.search(r"[,:\n]", text) else text


def _clean(value: Any, held: Iterable[str], depth: int) -> Any:
    if depth > _DEEPEST:
        return None
    if isinstance(value, Mapping):
        return {_text(str(name), held): _clean(inner, held, depth + 1) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(inner, held, depth + 1) for inner in value]
    if isinstance(value, str):
        return _text(value, held)
    if isinstance(value, float) and not math.isfinite(value):  # no JSON
        return None
    return value if value is None or isinstance(value, (bool, int, float)) else repr(value)


def _text(text: str, held: Iterable[str]) -> str:
    text = text.encode("utf-8", "replace").decode()
    if hashed := _HASHED.match(text):
        return f"sha256:{hashed[1]}"
    if text.startswith("data:") and "," in text[:200]:
        return f"sha256:{data_uri_hash(text)[0]}"
    if text.startswith(("http://", "https://")) and not re.search(r"\s", text):
        text = _unsigned(text)
    return scrub(text, held)


def _unsigned(url: str) -> str:
    """An address without what opens it: a user's name and password, and a query that signs it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    query = "" if _SIGNS.search(parts.query) else parts.query
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, query, parts.fragment))
