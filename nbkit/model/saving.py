"""Files with their recipes: written into a picture where that is safe, else beside the file; and read again."""

from __future__ import annotations

import io
import shutil
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from nbkit.errors import MediaError
from nbkit.metadata import picture
from nbkit.metadata.edit import copy
from nbkit.model.media import Media
from nbkit.model.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Iterator

_SUFFIX = ".json"
_LARGEST_SIDECAR = 4_000_000


def sidecar_of(path: Path) -> Path:
    """Where the recipe of a file stands that cannot hold it: `film.mp4.json` beside `film.mp4`."""
    return path.with_name(path.name + _SUFFIX)


def read_recipe(source: str | Path | bytes | Media) -> Recipe | None:
    """How a file was made, as the file itself tells, or the file beside it; None where neither does.

    Args:
        source: A file, its bytes, or a file of a result.

    Raises:
        MediaError: There is no such file.
    """
    if isinstance(source, Media):
        return source.recipe or (read_recipe(source.path) if source.path else None)
    if isinstance(source, bytes):
        return _recipe(picture.recipe_in(io.BytesIO(source)))
    path = Path(source).expanduser()
    try:
        with path.open("rb") as file:
            found = _recipe(picture.recipe_in(file))
    except OSError as error:
        raise MediaError(f"{path} cannot be read: {error.strerror}") from error
    return found or _beside(path)


def save(source: Path, target: Path, recipe: Recipe | None, size: tuple[int | None, int | None]) -> None:
    """Copy a file with its recipe. The picture in it stays as it is, bit for bit.

    Args:
        source: The file; it is not changed.
        target: Where to.
        recipe: What to write with it, None for nothing.
        size: Width and height in pixels, where it is a picture.

    Raises:
        MediaError: Something else stands where its recipe belongs.
        OSError: The target cannot be written.
    """
    if source.resolve() == target.resolve():
        raise shutil.SameFileError(f"{str(target)!r} is the file itself")
    text = recipe.text() if recipe else ""
    with source.open("rb") as original:
        changes = picture.edits(original, text, recipe.parameters(size)) if recipe else []
        sidecar = sidecar_of(target)
        is_ours = _beside(target) is not None
        if changes is None and sidecar.exists() and not is_ours:
            raise MediaError(
                f"{sidecar} stands where the recipe of {target.name} belongs",
                hint="save it under another name, or with recipe=False",
            )
        with written_whole(target) as file:
            copy(original, file, changes or ())
    if changes is None:
        with written_whole(sidecar) as file:
            file.write(text.encode() + b"\n")
    elif is_ours:
        sidecar.unlink()  # it told of the file that stood here before


def _beside(path: Path) -> Recipe | None:
    try:
        with sidecar_of(path).open("rb") as file:
            return _recipe(file.read(_LARGEST_SIDECAR).decode("utf-8", "replace"))
    except OSError:
        return None


def _recipe(text: str) -> Recipe | None:
    try:
        return Recipe.read(text) if text else None
    except MediaError:  # somebody else's, or damaged
        return None


@contextmanager
def written_whole(target: Path) -> Iterator[BinaryIO]:
    """A file that appears when it is whole, and never through a link to one that is kept."""
    unfinished = target.with_name(f".{uuid.uuid4().hex}.part")
    try:
        with unfinished.open("xb") as file:
            yield file
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
