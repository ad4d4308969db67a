"""TAB on the first line of `%%generate`: options, their values, endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbkit.magics.grammar import OPTIONS
from nbkit.magics.known import ENDPOINTS

if TYPE_CHECKING:
    from collections.abc import Iterable

_MAGICS = ("%%generate", "%generate")
_BY_FLAG = {option.flag: option for option in OPTIONS}


def candidates(line: str) -> list[str]:
    """What the last word of a line may become; nothing where a person has to think.

    Args:
        line: The first line of a cell up to the cursor.
    """
    magic, *words = line.split(" ")
    if magic not in _MAGICS or not words:
        return []
    *before, word = words
    option = _BY_FLAG.get(before[-1]) if before else None
    if option and option.value:
        known: Iterable[str] = option.choices
    elif word.startswith("-"):
        known = _BY_FLAG
    else:
        known = () if any("/" in earlier for earlier in before) else ENDPOINTS
    return [name for name in known if name.startswith(word)]


def make_matcher() -> Any:
    """The function that IPython's completer asks."""
    from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher

    @context_matcher(identifier="nbkit.generate")  # type: ignore[untyped-decorator]
    def match(context: CompletionContext) -> Any:
        line = context.line_with_cursor[: context.cursor_position] if context.cursor_line == 0 else ""
        found = candidates(line)
        fragment = line.rpartition(" ")[2]
        return {
            "completions": [SimpleCompletion(name, type="param") for name in found],
            "matched_fragment": fragment,
            "suppress": bool(found),
        }

    return match
