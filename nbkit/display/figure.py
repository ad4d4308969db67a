"""A file as something to be shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    """One file with its caption.

    Attributes:
        path: The copy on this machine, None where there is none.
        name: File name for people.
        caption: What stands under it.
        content_type: MIME type, an empty string where unknown.
        url: Where the service keeps it.
        width: Pixels, None where unknown.
        height: Pixels, None where unknown.
        problem: Why there is no copy.
    """

    path: Path | None = None
    name: str = ""
    caption: str = ""
    content_type: str = ""
    url: str = ""
    width: int | None = None
    height: int | None = None
    problem: str = ""


def bundle(figures: Sequence[Figure]) -> dict[str, Any]:
    """The figures as a MIME bundle."""
    return {"text/plain": "\n".join(figure.name for figure in figures)}
