"""A grid as one page that opens by itself: axis pickers, linked zoom, comparison and blind votes, without a network."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbkit.display.escape import clean, escape
from nbkit.display.figure import Figure
from nbkit.display.preview import preview
from nbkit.errors import InputError, MediaError
from nbkit.widgets.originals import Originals

if TYPE_CHECKING:
    from nbkit.experiments.grid import Grid, Tile

# What a browser shows as a picture and nothing else: an SVG is a page.
_SHOWN = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif")
_LONGEST = 384
_LARGEST, _SMALLEST = 40_000, 3_000
_ALL_PREVIEWS = 40_000_000


def write_explorer(
    grid: Grid,
    path: str | Path,
    *,
    originals: bool = True,
    judged: str = "",
    about: str = "",
    sweep: str = "",
) -> Path:
    """Write a grid as one HTML page, and the originals of its pictures into a folder beside it.

    The page holds small pictures itself, and shows the originals where their folder is; it can be sent alone. Nothing
    is loaded from elsewhere, and its policy forbids any script but its own.

    Args:
        grid: What to show.
        path: Where, ending in `.html`; the folder has the same name and `_files`.
        originals: Whether the originals are put beside it; links where the file system has them, else copies.
        judged: The axis whose values are compared when its readers judge in pairs; the columns' where not given.
        about: A line under the title.
        sweep: What the experiment is called in the ballots.

    Returns:
        The page.

    Raises:
        InputError: The name has another ending, or there is no such axis.
        MediaError: The page or the folder cannot be written.
    """
    target = Path(path).expanduser()
    if target.suffix.lower() not in (".html", ".htm"):
        raise InputError(
            f"an explorer is written as .html, not {target.suffix or target.name!r}", field="path"
        )
    axis = _judged(grid, judged)
    beside = Originals(target.parent, f"{target.stem}_files") if originals else None
    limit = max(_SMALLEST, min(_LARGEST, _ALL_PREVIEWS // max(len(grid.tiles), 1)))
    try:
        cells = [
            _cell(grid, position, tile, axis, limit=limit, originals=beside)
            for position, tile in grid.tiles.items()
        ]
        target.write_text(
            _page(
                {
                    "title": clean(grid.title) or "Experiment",
                    "about": clean(about),
                    "id": clean(sweep),
                    "judged": -1 if axis is None else axis,
                    "axes": [
                        {"name": clean(it.name), "labels": [clean(label) for label in it.labels]}
                        for it in grid.scales
                    ],
                    "cells": cells,
                }
            ),
            encoding="utf-8",
        )
    except OSError as error:
        raise MediaError(f"cannot write {target}: {error.strerror or error}") from error
    return target


def _judged(grid: Grid, name: str) -> int | None:
    if not name:
        return grid.across
    names = [scale.name for scale in grid.scales]
    if name not in names:
        raise InputError(f"{name[:60]!r} is no axis: there are {', '.join(names) or 'none'}", field="judged")
    return names.index(name)


def _cell(
    grid: Grid,
    position: tuple[int, ...],
    tile: Tile,
    judged: int | None,
    *,
    limit: int,
    originals: Originals | None,
) -> dict[str, Any]:
    return {
        "at": position,
        "state": tile.state,
        "caption": clean(tile.caption),
        "problem": clean(tile.problem),
        "numbers": {clean(name): value for name, value in tile.numbers.items() if math.isfinite(value)},
        "judgedAs": "" if judged is None else clean(grid.scales[judged].labels[position[judged]]),
        "thumbnail": _thumbnail(tile, limit),
        "original": _original(tile, originals),
    }


def _thumbnail(tile: Tile, limit: int) -> str:
    if tile.picture is None:
        return ""
    try:
        return preview(tile.picture, _LONGEST, limit=limit).uri
    except MediaError:
        return ""


def _original(tile: Tile, originals: Originals | None) -> str:
    """The address of the whole picture from the page, an empty string where it is not beside it."""
    if originals is None or tile.picture is None or tile.picture.suffix.lower() not in _SHOWN:
        return ""
    return originals.keep(Figure(path=tile.picture)).original


def _page(data: dict[str, Any]) -> str:
    # In a script element only "<" could end it; as an escape it means the same to JSON.
    text = json.dumps(data, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
    style, script = _part("explorer.css"), _part("explorer.js")
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
        "img-src data: blob: 'self' file:; base-uri 'none'; form-action 'none'"
    )
    parts = {"POLICY": policy, "TITLE": escape(data["title"]), "STYLE": style, "DATA": text, "SCRIPT": script}
    return re.sub("%([A-Z]+)%", lambda place: parts[place[1]], _part("explorer.html"))


@cache
def _part(name: str) -> str:
    return files("nbkit.experiments").joinpath("pages", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
