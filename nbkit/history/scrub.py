"""Takes secrets out of what is kept: keys, and what else opens something in headers, settings and addresses."""

from __future__ import annotations

import json
import re
import time
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from nbkit import secrets
from nbkit.credentials import held_keys, used_keys

MARK = "[removed]"
"""What stands where a secret stood."""
_DEEPEST = 200
_LOOK_AGAIN = 30  # seconds after which settings and `.env` files are read again

_TOKEN = r"(?:(?=[\w.~+/=:-]*\d)[\w.~+/=:-]{12,}|[\w.~+/=:-]{32,})"  # noqa: S105 - a pattern
_ALONE = r"(?<![A-Za-z0-9])"
_KINDS_OF_SECRETS = r"token|secret|passw(?:or)?d|signature|credential|api_?key|jwt|auth"
_NAMES_OF_KEYS = rf"(?:api_?key|secret|passw(?:or)?d|token|{_ALONE}key)[\w-]*[\"']?\s*[=:]\s*"
_NAMED = re.compile(
    "|".join(
        [
            rf"(?P<scheme>(?i:{_ALONE}(?:bearer|basic|key|token)\s+)){_TOKEN}",
            r"(?P<user>://)[^/\s\"'<>?#]+(?=@)",
            rf"(?P<query>[?&;](?i:[\w.-]*(?:{_KINDS_OF_SECRETS})[\w.-]*|sig|sign|key|policy|key-pair-id)=)[^&#\s\"'<>]+",
            rf"(?P<quoted>(?i:{_NAMES_OF_KEYS})(?P<q>[\"']))(?:(?!(?P=q))[^\n]){{6,}}",
            r"(?P<setting>(?<![A-Za-z0-9_])[A-Z][A-Z0-9_]*_(?:KEY|TOKEN|SECRET|PASSWORD)[ \t]*=[ \t]*)[^\s\"']{6,}",
        ]
    )
)
_WEB_TOKEN = re.compile(rf"{_ALONE}eyJ[\w-]{{8,}}\.[\w-]{{8,}}\.[\w-]*")
_SECRET_NAME = re.compile(
    r"authorization|api[_-]?key|(access|refresh|auth)[_-]token|passw(or)?d|secret", re.IGNORECASE
)
_HINTS = (
    "key", "token", "secret", "passw", "bearer", "basic", "credential", "sig=", "sign=", "signature", "auth",
    "jwt", "policy", "eyj", "app-", "dataset-", "sk-", "hf_", "r8_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_",
    "github_pat_", "akia", "asia", "aiza", "ya29.",
)  # fmt: skip
_FAL_HINT = re.compile(r"-[0-9a-fA-F]{12}(?::|%3[Aa])[0-9a-fA-F]{16}")


def scrub_text(text: str) -> str:
    """A text without the secrets in it."""
    clean = secrets.scrub(text, _held_texts())
    return _NAMED.sub(_keep_name, _WEB_TOKEN.sub(MARK, clean))


def scrub(value: Any, depth: int = 0) -> Any:
    """JSON values without the secrets in them, in names, texts and what a name says is one."""
    if isinstance(value, str):
        return scrub_text(value)
    if depth > _DEEPEST:
        return MARK
    if isinstance(value, dict):
        return {
            scrub_text(str(name)): MARK
            if isinstance(inner, str) and inner and _SECRET_NAME.search(str(name))
            else scrub(inner, depth + 1)
            for name, inner in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [scrub(inner, depth + 1) for inner in value]
    return value


def may_hold_secrets(text: str) -> bool:
    """Whether JSON text needs a closer look: quick, and never wrong when it says no."""
    low = text.lower()
    return (
        any(hint in low for hint in _HINTS)
        or ("@" in text and ":/" in text)
        or _FAL_HINT.search(text) is not None
        or any(secret in text for secret in _as_json(_held_texts()))
    )


def _keep_name(match: re.Match[str]) -> str:
    return f"{match[match.lastgroup or 0]}{MARK}"


def _held_texts() -> tuple[str, ...]:
    return _variants(used_keys(), _set_keys(int(time.monotonic() / _LOOK_AGAIN)))


@lru_cache(maxsize=1)
def _set_keys(_moment: int) -> frozenset[str]:
    return held_keys()


@lru_cache(maxsize=4)
def _variants(used: frozenset[str], held: frozenset[str]) -> tuple[str, ...]:
    """Keys as they may be written; the longest first."""
    written = {form for key in used | held for form in (key, quote(key, safe=""))}
    return tuple(sorted(written, key=len, reverse=True))


@lru_cache(maxsize=4)
def _as_json(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(json.dumps(text)[1:-1] for text in texts)
