"""What keys look like: found in text, told without being shown, and taken out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_UUID = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
# Neither inside a longer word nor inside base64; `\n` is what stands before it in JSON.
_STANDS_ALONE = re.compile(r"(?:^|[^\w/+-]|\\[nrt])\Z", re.ASCII)
_ENDS = r"(?![\w/+-])"
_SHORTEST_SHOWN = 16
_DISTINCT = 8


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a key stands in a text. It does not hold the key.

    Attributes:
        kind: Whose key it is, as `fal key`.
        start: Its first character.
        end: The one behind its last.
        masked: What may be shown of it, as `1a2b…:…9f`.
    """

    kind: str
    start: int
    end: int
    masked: str


@dataclass(frozen=True, slots=True)
class _Shape:
    kind: str
    hint: str  # what stands in every one of them: looking for it first is many times quicker
    pattern: re.Pattern[str]
    is_key: Callable[[str], bool]


def _looks_random(text: str) -> bool:
    """Whether it was drawn by a machine: an example, a class name and a word are not."""
    return (
        len(set(text)) >= _DISTINCT
        and any(map(str.isalpha, text))
        and (any(map(str.isdigit, text)) or _has_letters_at_random(text))
    )


def _has_letters_at_random(text: str) -> bool:
    """Whether capital and small letters follow each other as no word and no class name has them."""
    return sum(one.isupper() != other.isupper() for one, other in pairwise(text)) > len(text) / 3


def _has_random_part(text: str) -> bool:
    return any(map(_looks_random, re.findall(r"[A-Za-z0-9]{16,}", text)))


def _is_no_hash(text: str) -> bool:
    drawn = text.partition("-")[2]
    mixed = drawn != drawn.lower() and drawn != drawn.upper()
    return mixed or (_looks_random(drawn) and not re.fullmatch("[0-9a-f]+", drawn))


def _is_no_example(text: str) -> bool:
    return _looks_random(text) and not text.endswith("EXAMPLE")


def _shape(kind: str, hint: str, pattern: str, is_key: Callable[[str], bool] = _looks_random) -> _Shape:
    """A kind of key; the pattern's group is the key."""
    return _Shape(kind, hint, re.compile(pattern, re.ASCII), is_key)


_SHAPES = (
    _shape("fal key", "-", rf"({_UUID}(?::|%3A|%3a)[0-9a-fA-F]{{32}}){_ENDS}"),
    _shape("fal key", "FAL_KEY_SECRET", r"FAL_KEY_SECRET\W{1,6}([\w:-]{20,})"),
    _shape("Dify key", "app-", rf"(app-[A-Za-z0-9]{{24}}){_ENDS}", _is_no_hash),
    _shape("Dify key", "dataset-", rf"(dataset-[A-Za-z0-9]{{24}}){_ENDS}", _is_no_hash),
    _shape("sk key", "sk-", r"(sk-[\w-]{20,})", _has_random_part),
    _shape("Hugging Face token", "hf_", rf"(hf_[A-Za-z0-9]{{30,}}){_ENDS}"),
    _shape("Replicate token", "r8_", rf"(r8_[A-Za-z0-9]{{30,}}){_ENDS}"),
    _shape("GitHub token", "gh", rf"(gh[pousr]_[A-Za-z0-9]{{36,}}){_ENDS}"),
    _shape("GitHub token", "github_pat_", rf"(github_pat_\w{{40,}}){_ENDS}"),
    _shape("AWS key", "A", rf"(A[KS]IA[0-9A-Z]{{16}}){_ENDS}", _is_no_example),
    _shape(
        "AWS key",
        "ecret",
        r"(?i:secret_?access_?key)\W{1,6}([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+])",
        lambda text: _looks_random(text) and not text.endswith("EXAMPLEKEY"),
    ),
    _shape("Google key", "AIza", rf"(AIza[\w-]{{35}}){_ENDS}"),
    _shape("Google token", "ya29.", r"(ya29\.[\w-]{20,})"),
    _shape(
        "private key",
        "PRIVATE KEY",
        r"(-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----(?:[^-]|-(?!----)){40,20000}"
        r"(?:-----END [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----)?)",
        lambda text: re.search(r"[A-Za-z0-9+/]{40}", text) is not None,
    ),
    _shape(
        "authorization header",
        "uthorization",
        r"(?i:authorization)\W{1,6}(?i:key|bearer|basic)\s{1,3}([\w.~+/:=-]{16,})",
    ),
)


def find_secrets(text: str, held: Iterable[str] = ()) -> list[Secret]:
    """Every key in a text, from left to right; those that overlap are told as one.

    Args:
        text: Any text.
        held: Keys that are known, found whatever they look like.
    """
    found: list[Secret] = []
    for kind, start, end in sorted(_spans(text, held), key=lambda span: (span[1], -span[2])):
        overlapped = found.pop() if found and start < found[-1].end else None
        if overlapped:
            whole = text[overlapped.start : max(end, overlapped.end)]
            found.append(
                Secret(overlapped.kind, overlapped.start, overlapped.start + len(whole), _masked(whole))
            )
        else:
            found.append(Secret(kind, start, end, _masked(text[start:end])))
    return found


def scrub(text: str, held: Iterable[str] = ()) -> str:
    """The text with `[fal key removed]`, or what it was, in place of each key.

    Args:
        text: Any text.
        held: Keys that are known, found whatever they look like.
    """
    parts, at = [], 0
    for secret in find_secrets(text, held):
        parts += [text[at : secret.start], f"[{secret.kind} removed]"]
        at = secret.end
    return "".join([*parts, text[at:]]) if parts else text


def _spans(text: str, held: Iterable[str]) -> Iterator[tuple[str, int, int]]:
    for shape in _SHAPES:
        if shape.hint not in text:
            continue
        for match in shape.pattern.finditer(text):
            start = match.start(1)
            if _STANDS_ALONE.search(text[max(0, start - 2) : start]) and shape.is_key(match[1]):
                yield shape.kind, start, match.end(1)
    for value in filter(None, held):
        at = text.find(value)
        while at >= 0:
            yield "key of this machine", at, at + len(value)
            at = text.find(value, at + len(value))


def _masked(value: str) -> str:
    if value.startswith("-----BEGIN"):
        return value[: value.index("-----", len("-----BEGIN"))] + "-----…"
    if len(value) < _SHORTEST_SHOWN:
        return "…"
    return f"{value[:4]}{'…:…' if ':' in value else '…'}{value[-2:]}"
