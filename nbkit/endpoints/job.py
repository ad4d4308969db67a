"""What a function's endpoint needs of whoever computes it: a request, as it is while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from PIL import Image


class Job(Protocol):
    """One request at work."""

    def log(self, message: str, level: str = "INFO") -> None:
        """Say a line, which the caller sees among the request's logs."""

    def progress(self, fraction: float, stage: str = "", picture: Image.Image | None = None) -> None:
        """Say how far the work is, from 0 to 1, and show a picture to a caller who watches."""

    def load_image(self, url: str, field: str = "image_url") -> Image.Image:
        """Fetch and decode the picture that an input field names, or raise an `InputError`."""
        ...

    def load_file(self, url: str, field: str) -> Path:
        """Fetch the file that an input field names, or raise an `InputError`. It is there while the request runs."""
        ...

    def save_image(self, picture: Image.Image, *, name: str) -> dict[str, Any]:
        """Keep a picture and describe it as fal does."""
        ...

    def save_file(self, path: Path) -> dict[str, Any]:
        """Keep a copy of a file and describe it as fal does."""
        ...
