"""Runs, results and files as pictures, with what is known of how each was made."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbkit.client.run import Run
from nbkit.config import data_dir
from nbkit.display.figure import Figure
from nbkit.errors import InputError, MediaError, NbkitError
from nbkit.history.files import FileStore
from nbkit.model.media import Media
from nbkit.model.result import Result

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LONGEST_PROMPT = 400


@dataclass(frozen=True, slots=True)
class Picture:
    """One file, and the call that it came from.

    Attributes:
        thing: What the caller gave, or the media of the result that the caller gave.
        figure: The file as something to be shown.
        endpoint: What made it, an empty string where unknown.
        prompt: From which words, an empty string where unknown.
        seed: From which seed, None where unknown.
        seconds: How long its run took, None where unknown.
        at: When its file came to this machine, in seconds since 1970; 0 where unknown.
    """

    thing: Any
    figure: Figure
    endpoint: str = ""
    prompt: str = ""
    seed: int | None = None
    seconds: float | None = None
    at: float = 0.0

    @property
    def path(self) -> Path:
        """Its copy on this machine.

        Raises:
            MediaError: There is none.
        """
        if self.figure.path is None:
            why = self.figure.problem or "there is no copy on this machine"
            raise MediaError(f"{self.caption}: {why}")
        return self.figure.path

    @property
    def caption(self) -> str:
        """The facts in one line."""
        seed = "" if self.seed is None else f"seed {self.seed}"
        return " · ".join(filter(None, (self.prompt, seed, self.endpoint))) or self.figure.name


def pictures_of(*things: Any) -> Iterator[Picture]:
    """Every file of runs that are over, results, media, paths, bytes and PIL images, also inside lists.

    A run that ended badly gives one picture without a file, which says why.

    Raises:
        InputError: Something among them is none of these.
    """
    for thing in things:
        if isinstance(thing, Run):
            yield from _given_by(thing)
        elif isinstance(thing, Result):
            yield from (_made_by(thing, media) for media in thing.media)
        elif isinstance(thing, Media):
            yield Picture(thing, thing.figure(thing.name), at=_time_of(thing.path))
        elif isinstance(thing, (list, tuple)) or hasattr(thing, "__next__"):
            yield from pictures_of(*thing)
        else:
            path = _path_of(thing)
            name = path.name if isinstance(thing, (str, Path)) else "picture"
            yield Picture(thing, Figure(path, name, name), at=_time_of(path))


def keep(data: bytes, suffix: str) -> Path:
    """Put bytes into the store of files, and return their path.

    Raises:
        MediaError: The disk is full or failing.
    """
    incoming = FileStore(data_dir() / "files").incoming()
    incoming.write(data)
    return incoming.keep(suffix).path


def _given_by(run: Run) -> Iterator[Picture]:
    try:
        result = run.result()
    except NbkitError as error:
        yield Picture(run, Figure(name=run.status, problem=str(error)), run.endpoint, _prompt(run.input))
    else:
        yield from pictures_of(result)


def _made_by(result: Result, media: Media) -> Picture:
    return Picture(
        media,
        media.figure(media.name),
        result.endpoint,
        _prompt(result.input),
        result.seed,
        result.seconds,
        _time_of(media.path),
    )


def _prompt(given: Mapping[str, Any]) -> str:
    prompt = given.get("prompt")
    return prompt[:_LONGEST_PROMPT] if isinstance(prompt, str) else ""


def _path_of(thing: Any) -> Path:
    if isinstance(thing, (str, Path)):
        return Path(thing).expanduser()
    if isinstance(thing, bytes):
        return keep(thing, "")
    if hasattr(thing, "save") and hasattr(thing, "size"):  # a PIL image, without loading Pillow to ask
        buffer = io.BytesIO()
        thing.save(buffer, "PNG")
        return keep(buffer.getvalue(), ".png")
    raise InputError(
        f"{type(thing).__name__} is no picture",
        hint="give runs, results, media, paths, bytes or PIL images",
    )


def _time_of(path: Path | None) -> float:
    try:
        return path.stat().st_mtime if path else 0.0
    except OSError:
        return 0.0
