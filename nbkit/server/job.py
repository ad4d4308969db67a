"""What a model's function is given beside its input: a way to log, to show its progress and to keep pictures."""

from __future__ import annotations

import base64
import errno
import io
import mimetypes
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbkit.server.file_input import load_file
from nbkit.server.files import StoredFile
from nbkit.server.model_folders import find_model
from nbkit.server.picture_input import load_picture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from PIL import Image

    from nbkit.server.files import FileStore
    from nbkit.server.frames import Message

PREVIEW_SIDE = 512  # pixels
PREVIEW_SECONDS = 0.2
_MOST_STEPS = 1000
_STEP_SECONDS = 0.05
_MAX_COMMENT = 60_000  # bytes; a JPEG comment has a 16-bit length


class JobCancelled(BaseException):
    """The request was cancelled. Not an `Exception`, so that a model that catches those still stops."""


class Job:
    """One request, as the model that computes it sees it.

    Attributes:
        endpoint: What was called.
        previews: Whether anybody watches intermediate pictures.
        file_seconds: How long the files that it makes are kept, None for ever.
        cancelled: Set once the request is cancelled; `log` and `progress` then raise.
    """

    def __init__(
        self,
        send: Callable[[Message], None],
        files: FileStore,
        *,
        endpoint: str = "",
        previews: bool = False,
        file_seconds: float | None = None,
        public_only: bool = False,
        models_dirs: Iterable[str] = (),
        inputs: Path | None = None,
    ) -> None:
        self._send = send
        self._files = files
        self._public_only = public_only
        self._models_dirs = tuple(map(Path, models_dirs))
        self._inputs = inputs
        self._last_preview = 0.0
        self._last_step = 0.0
        self._steps = 0
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self.endpoint = endpoint
        self.previews = previews
        self.file_seconds = file_seconds
        self.cancelled = threading.Event()

    def log(self, message: str, level: str = "INFO") -> None:
        """Say a line, which the caller sees among the request's logs.

        Raises:
            JobCancelled: The request was cancelled.
        """
        self._check()
        self._send({"log": message, "level": level})

    def progress(self, fraction: float, stage: str = "", picture: Image.Image | None = None) -> None:
        """Say how far the work is, and show the picture as it is now to a caller who watches.

        Args:
            fraction: 0 at the start, 1 at the end.
            stage: What was just done.
            picture: The picture so far. At most five a second are sent on, 512 pixels large. After a thousand steps, of
                those without one twenty a second are.

        Raises:
            JobCancelled: The request was cancelled.
        """
        self._check()
        if not self.previews:
            return
        now = time.monotonic()
        images = []
        if picture is not None and now - self._last_preview >= PREVIEW_SECONDS:
            self._last_preview = now
            images = [_preview(picture)]
        self._steps += 1
        if self._steps > _MOST_STEPS and not images and now - self._last_step < _STEP_SECONDS:
            return
        self._last_step = now
        self._send({"progress": round(fraction, 4), "stage": stage, "images": images})

    def load_image(self, url: str, field: str = "image_url") -> Image.Image:
        """Fetch and decode the picture that an input field names.

        Raises:
            FieldRefused: It cannot be had, is no picture, or is too large.
        """
        return load_picture(url, field, self._files, public_only=self._public_only)

    def load_file(self, url: str, field: str) -> Path:
        """Fetch the file that an input field names; it is there while the request runs.

        Raises:
            FieldRefused: It cannot be had, or is too large.
        """
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(
                prefix="nbkit-input-", dir=self._inputs, ignore_cleanup_errors=True
            )
        target = Path(tempfile.mkdtemp(dir=self._folder.name))
        return load_file(url, field, self._files, target, public_only=self._public_only)

    def find_model(self, name: str, field: str = "model") -> Path:
        """Find the folder or file of a model that an input field names.

        Raises:
            FieldRefused: There is none below the folders that this server may read.
        """
        return find_model(name, field, self._models_dirs)

    def save_image(
        self,
        picture: Image.Image,
        *,
        name: str,
        kind: str = "png",
        inline: bool = False,
        facts: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Keep a picture that the model made and describe it as fal does.

        Args:
            picture: The picture.
            name: File name without ending.
            kind: `png` or `jpeg`.
            inline: Give it as a data URI instead of keeping a file.
            facts: Written into the file: `Description`, `Copyright`, `Software`, …
        """
        content = _encoded(picture, kind, facts or {})
        ending = "jpg" if kind == "jpeg" else kind
        file = StoredFile.new(f"{name}.{ending}", f"image/{kind}", self.file_seconds)
        if inline:
            url = _data_uri(content, file.content_type)
        else:
            self._files.put(file, content)
            url = self._files.mark + self._files.address(file)
        return {
            "url": url,
            "content_type": file.content_type,
            "file_name": file.name,
            "file_size": len(content),
            "width": picture.width,
            "height": picture.height,
        }

    def save_file(self, path: Path) -> dict[str, Any]:
        """Keep a copy of a file that the model wrote and describe it as fal does.

        Raises:
            OSError: It cannot be read.
        """
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        file = StoredFile.new(path.name, kind, self.file_seconds)
        if path.is_char_device() or path.is_block_device():
            raise OSError(errno.EINVAL, "It is a device")  # which may have no end
        draft = self._files.draft()
        shutil.copyfile(path, draft)
        size = draft.stat().st_size
        self._files.put(file, draft)
        return {
            "url": self._files.mark + self._files.address(file),
            "content_type": file.content_type,
            "file_name": file.name,
            "file_size": size,
        }

    def end(self) -> None:
        """Let go of the input's files."""
        if self._folder is not None:
            self._folder.cleanup()

    def _check(self) -> None:
        if self.cancelled.is_set():
            raise JobCancelled


def _preview(picture: Image.Image) -> dict[str, Any]:
    small = picture.convert("RGB")
    small.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    content = io.BytesIO()
    small.save(content, "JPEG", quality=80)
    return {
        "url": _data_uri(content.getvalue(), "image/jpeg"),
        "content_type": "image/jpeg",
        "width": small.width,
        "height": small.height,
    }


def _encoded(picture: Image.Image, kind: str, facts: Mapping[str, str]) -> bytes:
    from PIL import Image, PngImagePlugin

    # Half a surrogate pair is valid JSON and no valid text.
    said = {key: value.encode("utf-8", "replace").decode() for key, value in facts.items()}
    content = io.BytesIO()
    if kind == "jpeg":
        exif = Image.Exif()
        exif[0x8298] = said.get("Copyright", "")
        exif[0x0131] = said.get("Software", "")
        comment = said.get("Description", "").encode()[:_MAX_COMMENT]
        picture.convert("RGB").save(content, "JPEG", quality=92, exif=exif, comment=comment)
    else:
        chunk = PngImagePlugin.PngInfo()
        for key, value in said.items():
            chunk.add_itxt(key, value)
        picture.save(content, "PNG", pnginfo=chunk, compress_level=4)
    return content.getvalue()


def _data_uri(content: bytes, content_type: str) -> str:
    return f"data:{content_type};base64,{base64.b64encode(content).decode('ascii')}"
