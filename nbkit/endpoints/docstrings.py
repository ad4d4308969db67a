"""What a docstring in Google's style says of a function and of its parameters."""

from __future__ import annotations

import inspect
import re
from typing import NamedTuple

_SECTION = re.compile(
    r"(Args|Arguments|Parameters|Returns|Yields|Raises|Attributes|Examples?|Notes?|Todo|Warnings?):\s*"
)
_ENTRY = re.compile(r"\*{0,2}(\w+)\s*(?:\([^)]*\))?:\s*(.*)")


class Said(NamedTuple):
    """A docstring, taken apart.

    Attributes:
        summary: What stands before the first section, each paragraph as one line.
        parameters: Name → what is said of it.
    """

    summary: str
    parameters: dict[str, str]


def read_docstring(text: str | None) -> Said:
    """Take a docstring apart; one in another style is all summary."""
    lines = inspect.cleandoc(text or "").splitlines()
    sections = [index for index, line in enumerate(lines) if _SECTION.fullmatch(line)]
    parameters: dict[str, str] = {}
    for start, end in zip(sections, [*sections[1:], len(lines)], strict=False):
        if lines[start].startswith(("Args", "Arguments", "Parameters", "Attributes")):
            parameters |= _entries(lines[start + 1 : end])
    first = lines[: sections[0]] if sections else lines
    paragraphs = "\n".join(first).strip().split("\n\n")
    return Said("\n\n".join(" ".join(it.split()) for it in paragraphs), parameters)


def _entries(lines: list[str]) -> dict[str, str]:
    """The entries of a section: each begins at the section's own indent, and goes on further right."""
    found: dict[str, str] = {}
    text = inspect.cleandoc("\n" + "\n".join(lines)).splitlines()
    name = ""
    for line in text:
        entry = _ENTRY.fullmatch(line)
        if entry and not line[:1].isspace():
            name = entry[1]
            found[name] = entry[2].strip()
        elif name and line.strip():
            found[name] = f"{found[name]} {line.strip()}".strip()
    return found
