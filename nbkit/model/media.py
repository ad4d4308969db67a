"""Files that went into or came out of a run, and where they stand in its JSON."""

from __future__ import annotations

import hashlib
import mimetypes
import re
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from nbkit.display.escape import clean
from nbkit.errors import MediaError
from nbkit.model.address import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL.Image import Image as PILImage

    from nbkit.display.escape import Markup
    from nbkit.display.figure import Figure
    from nbkit.model.recipe import Recipe

_MEDIA_URL = re.compile(
    r"https?://[^\s\"'<>]+?\.(png|jpe?g|webp|gif|avif|bmp|tiff?|svg|mp4|webm|mov|mp3|wav|ogg|flac|glb|gltf|obj|ply|zip|pdf)(\?[^\s]*)?",
    re.IGNORECASE,
)
_DATA_URI = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(;[^,;\s]+)*,")
_LONGEST_ADDRESS = 4000
_LONGEST_NAME = 120  # bytes; folders take 255, and names grow when they are copied
_DEEPEST = 40
_LARGEST_COUNT = 2**63  # leaves out infinity, which int() cannot take
_UNREADABLE = (OSError, ValueError, SyntaxError, EOFError)  # what Pillow raises for broken files


@dataclass(frozen=True, slots=True)
class Media:
    """One file: its address, what it is, and its copy on this machine.

    Attributes:
        url: Where the service keeps it; may have expired.
        content_type: MIME type, an empty string where unknown.
        file_name: Name for people, an empty string where unknown.
        size: Bytes, None where unknown.
        path: The copy on this machine, None while there is none.
        sha256: Hexadecimal hash of the copy, an empty string while there is none.
        place: Where it stands in the output, as `images.0`.
        width: Pixels, None where unknown or not a picture.
        height: Pixels, None where unknown or not a picture.
        problem: Why there is no copy, an empty string where there is one.
        recipe: How it was made, None where it did not come from a run.
    """

    url: str
    content_type: str = ""
    file_name: str = ""
    size: int | None = None
    path: Path | None = None
    sha256: str = ""
    place: str = ""
    width: int | None = None
    height: int | None = None
    problem: str = ""
    recipe: Recipe | None = field(default=None, repr=False, compare=False)

    @property
    def is_image(self) -> bool:
        """Whether it is a picture, as far as its type or name tells."""
        return self.content_type.startswith("image/")

    @property
    def bytes(self) -> bytes:
        """The whole file.

        Raises:
            MediaError: There is no copy on this machine, or it is damaged.
        """
        content = self._copy().read_bytes()
        if self.sha256 and hashlib.sha256(content).hexdigest() != self.sha256:
            raise self._damaged()
        return content

    @property
    def is_here(self) -> bool:
        """Whether its copy is on this machine and as long as it was."""
        if self.path is None or not self.path.is_file():
            return False
        return not self.sha256 or self.size is None or self.path.stat().st_size == self.size

    def pil(self) -> PILImage:
        """The picture, decoded, as a Pillow image.

        Raises:
            MediaError: There is no copy on this machine, or it is not a picture that Pillow reads.
        """
        from PIL import Image, UnidentifiedImageError

        path = self._copy()
        try:
            with Image.open(path) as picture:
                picture.load()
                return picture.copy()
        except (UnidentifiedImageError, Image.DecompressionBombError, *_UNREADABLE) as error:
            raise MediaError(f"{self.name} is not a picture that can be read: {error}") from error

    def save(self, path: str | Path, *, recipe: bool = True) -> Path:
        """Copy the file to a path or into a folder, and return where it went.

        What came from a run takes its recipe along: inside a PNG, JPEG or WebP, whose pixels stay as they are, else
        in a file beside it, `film.mp4.json`. `nbkit.read_recipe` reads it.

        Args:
            path: A file's path, or a folder.
            recipe: Whether to write the recipe; without it the copy is the same bytes.

        Raises:
            MediaError: There is no copy on this machine, or another file stands where the recipe belongs.
        """
        from nbkit.model.saving import save

        source, target = self._copy(), Path(path).expanduser()
        if target.is_dir():
            target = target / self.name
        save(source, target, self.recipe if recipe else None, (self.width, self.height))
        return target

    @property
    def name(self) -> str:
        """A file name that is safe to write: the service's, or one made from its address."""
        given = self.file_name or unquote(PurePosixPath(_path_of(self.url)).name)
        if self.url.startswith("data:") and not self.file_name:
            given = "inline" + (mimetypes.guess_extension(self.content_type) or "")
        clean = re.sub(r"[^\w.\- ]+", "_", given).strip(". ")
        return (
            clean.encode("utf-8", "replace")[-_LONGEST_NAME:].decode("utf-8", "ignore").strip(". ") or "file"
        )

    def _copy(self) -> Path:
        if self.path is None or not self.path.is_file():
            missing = "its copy is gone" if self.path else "it was not downloaded"
            raise MediaError(
                f"{self.name} is not on this machine: {self.problem or missing}",
                hint=f"its address was {self.url[:200]}",
            )
        if not self.is_here:
            raise self._damaged()
        return self.path

    def _damaged(self) -> MediaError:
        return MediaError(
            f"{self.name} is damaged on this machine: {self.path} is not what came from the service",
            hint="nbkit.history.resume(ID of its run) fetches it again where the service still has it",
        )

    def figure(self, caption: str = "") -> Figure:
        """The file as something to be shown."""
        from nbkit.display.figure import Figure

        return Figure(
            path=self.path,
            name=self.name,
            caption=caption or self.place,
            content_type=self.content_type,
            url="" if is_loopback(self.url) else self.url,  # dead once the server beside the notebook ends
            width=self.width,
            height=self.height,
            problem=self.problem,
            sha256=self.sha256,
        )

    def thumbnail(self) -> Markup:
        """The file as a small picture for a line of text or a table."""
        from nbkit.display.figure import thumbnail

        return thumbnail(self.figure())

    def __repr__(self) -> str:
        from nbkit.display.figure import short_path

        pixels = f"{self.width} × {self.height}" if self.width and self.height else ""
        size = "" if self.size is None else f"{self.size} bytes"
        where = self.problem or (short_path(self.path) if self.path else "not on this machine")
        facts = (self.content_type, pixels, size, where)
        return clean(f"<Media {self.name}: {', '.join(filter(None, facts))}>")

    def figures(self) -> tuple[Figure, ...]:
        """The file as something to be shown, as several have them."""
        return (self.figure(),)

    def _repr_mimebundle_(self, **_choice: Any) -> dict[str, Any]:
        from nbkit.display.figure import bundle

        return bundle(self.figures())


class Files(tuple[Media, ...]):
    """Several files. In a notebook they show themselves side by side, in a terminal as lines."""

    __slots__ = ()

    def figures(self) -> tuple[Figure, ...]:
        """The files as something to be shown."""
        return tuple(media.figure() for media in self)

    def _repr_mimebundle_(self, **_choice: Any) -> dict[str, Any]:
        from nbkit.display.figure import bundle

        return bundle(self.figures())


def find_media(output: Any, place: str = "") -> Iterator[Media]:
    """Every file that stands in an output, at any depth, each address once.

    A file is an object with an `url`, a data URI, or a string that is the address of a file by its ending.
    """
    seen: set[str] = set()
    for media in _walk(output, place, 0):
        if media.url not in seen:
            seen.add(media.url)
            yield media


def _walk(value: Any, place: str, depth: int) -> Iterator[Media]:
    if depth > _DEEPEST:
        return
    if isinstance(value, dict):
        url = value.get("url")
        if isinstance(url, str) and _is_address(url):
            yield _from_object(value, url, place)
            value = {key: inner for key, inner in value.items() if key != "url"}
        for key, inner in value.items():
            yield from _walk(inner, f"{place}.{key}" if place else str(key), depth + 1)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _walk(inner, f"{place}.{index}" if place else str(index), depth + 1)
    elif isinstance(value, str) and (_is_data(value) or _is_file_address(value)):
        yield _typed(Media(value, place=place))


def _from_object(value: dict[str, Any], url: str, place: str) -> Media:
    return _typed(
        Media(
            url,
            content_type=_text(value.get("content_type") or value.get("mime_type")),
            file_name=_text(value.get("file_name") or value.get("filename")),
            size=_count(value.get("file_size") or value.get("size")),
            place=place,
            width=_count(value.get("width")),
            height=_count(value.get("height")),
        )
    )


def _typed(media: Media) -> Media:
    if media.content_type:
        return media
    if _is_data(media.url):
        kind = media.url[5:].partition(",")[0].partition(";")[0]
    else:
        names = (_path_of(media.url), media.file_name)
        kind = next(filter(None, (mimetypes.guess_type(name)[0] for name in names)), "")
    return replace(media, content_type=kind)


def _is_address(text: str) -> bool:
    return text.startswith(("http://", "https://", "/")) or _is_data(text)


def _is_file_address(text: str) -> bool:
    return len(text) <= _LONGEST_ADDRESS and _MEDIA_URL.fullmatch(text) is not None


def _is_data(text: str) -> bool:
    return _DATA_URI.match(text[:200]) is not None


def _path_of(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:  # an address from outside may be none
        return ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _count(value: Any) -> int | None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return int(value) if number and 0 <= value < _LARGEST_COUNT else None
