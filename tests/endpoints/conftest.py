from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from nbkit.server.files import FileStore
from nbkit.server.job import Job

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Request(Job):
    """A request as a worker has it, which keeps what is said about it."""

    def __init__(self, folder: Path) -> None:
        self.said: list[dict[str, Any]] = []
        self.store = FileStore(folder)
        super().__init__(self.said.append, self.store, endpoint="me/x", previews=True)

    def content(self, file: dict[str, Any]) -> bytes:
        """The bytes of a file in an output."""
        *_, file_id, _name = file["url"].split("/")
        return self.store.read(file_id, 10**9)

    def picture(self, file: dict[str, Any]) -> Image.Image:
        """A picture in an output."""
        return Image.open(io.BytesIO(self.content(file)))


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Request]:
    """A request."""
    request = Request(tmp_path / "server")
    yield request
    request.end()


def data_uri(content: bytes, kind: str = "image/png") -> str:
    """An address that holds a file."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


@pytest.fixture
def red() -> str:
    """The address of a small red picture."""
    target = io.BytesIO()
    Image.new("RGB", (6, 4), "red").save(target, "PNG")
    return data_uri(target.getvalue())
