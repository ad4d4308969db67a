"""Whole files beside the notebook, for its previews to link to."""

from __future__ import annotations

import hashlib
import os
import shutil
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from nbkit.history.files import ORIGINALS, name_beside

if TYPE_CHECKING:
    from pathlib import Path

    from nbkit.display.card import Card
    from nbkit.display.figure import Figure


class Originals:
    """Puts files into a folder beside a notebook or a page, named by what is in them.

    Args:
        beside: Where the notebook or page lies.
        name: The folder's name.
    """

    def __init__(self, beside: Path, name: str = ORIGINALS) -> None:
        self._folder = beside / name

    def of(self, card: Card) -> Card:
        """The card with every file linked to its original."""
        steps = tuple(replace(step, figures=tuple(map(self.keep, step.figures))) for step in card.steps)
        return replace(card, steps=steps, figures=tuple(map(self.keep, card.figures)))

    def keep(self, figure: Figure) -> Figure:
        """The figure with its original; as it was where there is no file, or the folder cannot be written."""
        if figure.path is None:
            return figure
        try:
            name = self._name(figure, figure.path)
            self._place(figure.path, self._folder / name)
        except OSError:
            return figure
        return replace(figure, original=quote(f"{self._folder.name}/{name}"))

    def _name(self, figure: Figure, path: Path) -> str:
        digest = figure.sha256
        if not digest:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        return name_beside(digest, path.name if path.suffix else figure.name)

    def _place(self, source: Path, target: Path) -> None:
        if target.exists():
            return
        self._folder.mkdir(exist_ok=True)
        with suppress(FileExistsError):
            try:
                os.link(source, target)
            except FileExistsError:
                raise
            except OSError:  # another disk, or one that knows no links
                unfinished = target.with_name(f"{target.name}.{os.getpid()}.part")
                shutil.copyfile(source, unfinished)
                unfinished.replace(target)
