"""Inputs as people write them, with files anywhere in them, to JSON that can be sent."""

from __future__ import annotations

import asyncio
import math
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from nbkit.errors import InputError, MediaError
from nbkit.history.canonical import fingerprint
from nbkit.model.media import Media
from nbkit.model.result import Result
from nbkit.providers.files import Upload, as_upload, first_picture, is_file
from nbkit.wire.fal.reference import read_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nbkit.providers.uploads import OnProgress

_DEEPEST = 60
_MEDIA = ("image/", "video/", "audio/")


class TakesFiles(Protocol):
    """What takes files for a service."""

    async def upload(self, file: Upload, *, on_progress: OnProgress | None = None) -> Any:
        """Take a file and return what stands for it in an input: its address, or JSON that names it."""


@dataclass(slots=True)
class Draft:
    """An input as it was when it was given: later changes to it change nothing, and each file in it has its place.

    Attributes:
        data: The input, its lists and dicts copied, files still in it as they were given.
        files: What is known of its files, once they are sent.
    """

    data: dict[str, Any]
    files: list[Media] = field(default_factory=list)
    _files: list[tuple[Any, Any, Any, str]] = field(default_factory=list)

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Draft:
        """Take an input.

        Raises:
            InputError: A value is not one that can be sent; names the place.
        """
        if not hasattr(payload, "keys"):
            raise InputError(
                f"an input is a dict of names and values, not {type(payload).__name__}", field="input"
            )
        draft = cls({})
        draft._into(draft.data, dict(payload).items(), "", 0)
        return draft

    async def sent(
        self, uploader: TakesFiles, sends_on: Callable[[str], bool], on_progress: OnProgress | None = None
    ) -> dict[str, Any]:
        """The input as JSON: each file in it is uploaded and replaced by its address.

        Args:
            uploader: Where files go.
            sends_on: Whether the service can read a file at an address by itself.
            on_progress: Called with the bytes that are sent and those of the files of which some are.

        Raises:
            InputError: A file cannot be read; names the place.
            ServiceError: The service does not take a file.
        """
        progress: dict[str, tuple[int, int]] = {}

        async def fill(holder: Any, name: Any, value: Any, place: str) -> None:
            def tell(*sent_and_size: int) -> None:
                progress[place] = sent_and_size[0], sent_and_size[1]
                if on_progress:
                    on_progress(
                        sum(sent for sent, _ in progress.values()), sum(size for _, size in progress.values())
                    )

            holder[name], file = await _address(value, place, uploader, sends_on, tell)
            self.files.append(file)

        tasks = [asyncio.create_task(fill(*file)) for file in self._files]
        try:
            await asyncio.gather(*tasks)
        finally:  # without one of its files an input is not sent, and the others need not go up
            for task in tasks:
                task.cancel()
        self._files.clear()
        return self.data

    async def fingerprint(self) -> str:
        """The hash that the history knows the same request by, before any file of it is sent.

        An empty string where it cannot be known: large files are not read for that, and count by their address.

        Raises:
            InputError: A file cannot be read; names the place.
        """
        known = await self.hashes()
        return "" if known is None else fingerprint(self.data, known)

    async def hashes(self) -> dict[str, str] | None:
        """Where its files stand and the SHA-256 of each, with nothing sent; None where a file is too large to be read.

        Raises:
            InputError: A file cannot be read; names the place.
        """
        found: dict[str, str] = {}
        for number, (holder, name, given, place) in enumerate(self._files):
            value = _as_media(given, place)
            if isinstance(value, Media) and value.url and not value.sha256 and value.path is None:
                holder[name] = value.url  # nobody here knows what is there
                continue
            if isinstance(value, Media) and value.sha256:
                found[place] = value.sha256
                continue
            file = await _as_upload(value, place)
            self._files[number] = holder, name, file, place  # what can be read once is read once
            found[place] = (await asyncio.to_thread(file.look)).sha256
        return found if all(found.values()) else None

    def _into(self, holder: Any, items: Iterable[tuple[Any, Any]], place: str, depth: int) -> None:
        if depth > _DEEPEST:
            raise InputError(f"{place[:80]}… is nested too deep", field=place)
        for name, value in items:
            if isinstance(holder, dict) and not isinstance(name, str):
                _refuse(name, place, "a name")
            self._put(holder, name, value, f"{place}.{name}" if place else str(name), depth + 1)

    def _put(self, holder: Any, name: Any, value: Any, place: str, depth: int) -> None:
        name = _clean(name) if isinstance(name, str) else name
        if _is_row(value):
            value = value.tolist()
        if isinstance(value, Mapping):
            inner: dict[str, Any] = {}
            holder[name] = inner
            self._into(inner, list(value.items()), place, depth)
        elif isinstance(value, (list, tuple)):
            holder[name] = items = [None] * len(value)
            self._into(items, enumerate(value), place, depth)
        elif isinstance(value, str):
            path = _named_file(value, place)
            self._put(holder, name, path, place, depth) if path else holder.__setitem__(name, _clean(value))
        elif value is None or isinstance(value, (bool, int)):
            holder[name] = value
        elif isinstance(value, float):
            holder[name] = value if math.isfinite(value) else _refuse(value, place, "a number")
        elif is_file(value):
            holder[name] = value
            self._files.append((holder, name, value, place))
        else:
            _refuse(value, place, "a value")


async def _address(
    value: Any, place: str, uploader: TakesFiles, sends_on: Callable[[str], bool], on_progress: OnProgress
) -> tuple[Any, Media]:
    """What stands for a file in an input, and what is known of the file."""
    value = _as_media(value, place)
    if isinstance(value, Media) and value.url and (value.path is None or sends_on(value.url)):
        return value.url, replace(value, place=place)
    file = await _as_upload(value, place)
    address = await uploader.upload(file, on_progress=on_progress)
    look = await asyncio.to_thread(file.look)
    url = address if isinstance(address, str) else ""
    return address, Media(
        url, file.content_type, file.file_name, size=look.size, sha256=look.sha256, place=place
    )


def _as_media(value: Any, place: str) -> Any:
    """A file as it is sent: of a result its picture."""
    try:
        return first_picture(value) if isinstance(value, Result) else value
    except MediaError as error:
        raise _unreadable(error, place) from error


async def _as_upload(value: Any, place: str) -> Upload:
    try:
        file = value if isinstance(value, Upload) else await asyncio.to_thread(as_upload, value)
    except MediaError as error:
        raise _unreadable(error, place) from error
    return file if file is not None else _refuse(value, place, "a value")


def _unreadable(error: MediaError, place: str) -> InputError:
    return InputError(f"{place}: {error.args[0]}", field=place, hint=error.hint)


def _is_row(value: Any) -> bool:
    """Whether it is a number or a row of numbers, as numpy and its kin have them."""
    is_array = hasattr(value, "tolist") and getattr(value, "ndim", None) in (0, 1)
    return is_array and not isinstance(value, memoryview)


def _named_file(text: str, place: str) -> Path | None:
    """Text stays text, but the path of a file where an address belongs is that file."""
    names_file = any(part.endswith(("_url", "_urls")) for part in place.split("."))
    if not names_file or "://" in text or text.startswith("data:") or read_reference(text):
        return None
    path = _existing_file(text)
    if path is None and (mimetypes.guess_type(text)[0] or "").startswith(_MEDIA):
        raise InputError(
            f"{place}: there is no file {text[:200]!r}, and it is no address either", field=place
        )
    return path


def _clean(text: str) -> str:
    """Text as it can be encoded: half a character, as broken programs leave it, cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def _existing_file(text: str) -> Path | None:
    try:
        path = Path(text).expanduser()
        return path if path.is_file() else None
    except (OSError, ValueError, RuntimeError):
        return None


def _refuse(value: Any, place: str, what: str) -> Any:
    raise InputError(
        f"{place or 'input'}: {value!r:.60} ({type(value).__name__}) is not {what} that can be sent",
        field=place,
        hint="send text, numbers, lists, dicts, or files (paths, bytes, PIL images)",
    )
