"""Metadata of a picture file, whichever of the formats it has."""

from __future__ import annotations

from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, BinaryIO

from nbkit.metadata import jpeg, png, webp
from nbkit.metadata.edit import Edit, Unclear

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST = 500_000  # bytes of a recipe inside a picture: readers of PNG stop at a megabyte


def notes(file: BinaryIO) -> Iterator[tuple[str, str]]:
    """Each text in a picture file with the place where it stands; nothing of any other file."""
    form = _format(file)
    if form:
        yield from form.notes(file)


def recipe_in(file: BinaryIO) -> str:
    """The recipe in a picture file, an empty string where there is none."""
    form = _format(file)
    return str(form.recipe_in(file)) if form else ""


def edits(file: BinaryIO, recipe: str, parameters: str) -> list[Edit] | None:
    """What adds a recipe to a picture file, and the text that other tools read; None where it should not be changed.

    Args:
        file: The picture, open for reading.
        recipe: JSON.
        parameters: Prompt and settings as other tools write them; empty for none.
    """
    form = _format(file)
    if form is None or len(recipe.encode()) > _LONGEST or len(parameters.encode()) > _LONGEST:
        return None
    try:
        found: list[Edit] = form.edits(file, recipe, parameters)
    except Unclear:
        return None
    return found


def _format(file: BinaryIO) -> ModuleType | None:
    file.seek(0)
    head = file.read(16)
    signature = next((it for it in _SIGNATURES if head.startswith(it)), None)
    if signature:
        return _SIGNATURES[signature]
    return webp if webp.is_webp(head) else None


_SIGNATURES = MappingProxyType({png.SIGNATURE: png, jpeg.SIGNATURE: jpeg})
