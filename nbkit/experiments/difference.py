"""What differs between the inputs of two requests; between two texts, word by word."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbkit.display import table
from nbkit.display.escape import Markup, clean
from nbkit.display.markup import element, join
from nbkit.experiments.axes import label_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# A word with the space behind it; each sign of scripts that put no spaces between words.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]\s*|[\w'-]+\s*|[^\w]\s*")
_MOST_WORDS = 2_000
_ABSENT = object()
_GONE = "text-decoration:line-through;opacity:.65"
_NEW = "font-weight:600;text-decoration:underline"


@dataclass(frozen=True, slots=True)
class Difference:
    """One input that differs.

    Attributes:
        place: Its name, `image_size.width` for one inside of another.
        first: Its value in the first request, for people; an empty string where it has none.
        second: The same in the second one.
        words: Of two texts, their parts in order: what stands in both (`=`), in the first alone (`-`), in the second
            alone (`+`).
    """

    place: str
    first: str
    second: str
    words: tuple[tuple[str, str], ...] = ()


def differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Difference]:
    """What differs between two inputs, in the order of the first one."""
    return list(_differing(first, second, ""))


def shown(found: Sequence[Difference], title: str = "") -> dict[str, Any]:
    """Differences as a MIME bundle: a table with a row for each input."""
    rows = [(it.place, *(_marked(it, sign) for sign in "-+")) for it in found]
    plain = [(it.place, it.first, it.second) for it in found]
    columns = ("input", "first", "second")
    line = title or ("" if found else "the inputs do not differ")
    page = element("div", element("div", line), table.html(rows, columns) if rows else Markup())
    return {
        "text/plain": "\n".join(filter(None, (clean(line), table.text(plain, columns) if plain else ""))),
        "text/html": str(page),
    }


def _differing(first: Mapping[str, Any], second: Mapping[str, Any], above: str) -> Iterator[Difference]:
    for name in dict.fromkeys((*first, *second)):
        one, other = first.get(name, _ABSENT), second.get(name, _ABSENT)
        place = f"{above}{name}"
        if isinstance(one, dict) and isinstance(other, dict):
            yield from _differing(one, other, f"{place}.")
        elif one is not other and (type(one) is not type(other) or one != other):
            words = _words(one, other) if isinstance(one, str) and isinstance(other, str) else ()
            yield Difference(place, _text(one), _text(other), words)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is _ABSENT else label_of(value)


def _words(first: str, second: str) -> tuple[tuple[str, str], ...]:
    one, other = _WORD.findall(first), _WORD.findall(second)
    if max(len(one), len(other)) > _MOST_WORDS:  # comparing takes the square of them
        return ()
    parts: list[tuple[str, str]] = []
    matcher = difflib.SequenceMatcher(None, one, other, autojunk=False)
    for kind, start, end, from_, to in matcher.get_opcodes():
        if kind == "equal":
            parts.append(("=", "".join(one[start:end])))
            continue
        parts += [(sign, "".join(it)) for sign, it in (("-", one[start:end]), ("+", other[from_:to])) if it]
    return tuple(parts)


def _marked(found: Difference, sign: str) -> Markup | str:
    if not found.words:
        return found.first if sign == "-" else found.second
    style = _GONE if sign == "-" else _NEW
    return join(
        *(
            element("span", text, style=style) if kind == sign else text
            for kind, text in found.words
            if kind in ("=", sign)
        )
    )
