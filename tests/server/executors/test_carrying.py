"""Files and code between machines that share no disk."""

from __future__ import annotations

import os
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

import nbkit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MiB = 2**20
NOWHERE = Path("/not/here")


class Elsewhere(ThreadPoolExecutor):
    """Runs its tasks as a machine does that does not see the server's folder."""

    def submit(self, function: Callable[..., Any], /, *task: Any, **more: Any) -> Future[Any]:
        """Name a file that is not there in place of the server's."""
        return super().submit(function, *task[:-1], *([str(NOWHERE)] if task else []), **more)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Elsewhere]:
    """An executor on a machine of its own, with its own folder for what is passing."""
    passing = tmp_path / "passing"
    passing.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(passing))
    with Elsewhere(2) as executor:
        yield executor


@nbkit.endpoint("me/mirror")
def mirror(picture: Image.Image, content: Path) -> dict[str, Any]:
    """Turn a picture, and tell what came in a file."""
    nbkit.log(f"{os.stat(content).st_size} bytes")  # noqa: PTH116 - what it says is all that matters
    return {"size": content.stat().st_size, "width": picture.width}


@nbkit.endpoint("me/turn")
def turn(picture: Image.Image) -> Image.Image:
    """Turn a picture."""
    return picture.rotate(90, expand=True)


def test_a_notebooks_function_and_its_pictures_go_to_another_machine(
    elsewhere: Elsewhere, tmp_path: Path
) -> None:
    """The code, the picture that it is given and the one that it makes cross the line, and nothing stays behind."""
    with nbkit.serve(elsewhere) as server:
        client = server.client()
        results = [
            client.subscribe("me/turn", {"picture": Image.new("RGB", (40, side), "teal")})
            for side in (10, 20)
        ]
        made = [result.image.pil().size for result in results]
        left = [path for path in (tmp_path / "passing").rglob("files/*") if path.is_file()]

    assert made == [(10, 40), (20, 40)]
    assert left == []


def test_a_large_file_goes_whole(elsewhere: Elsewhere) -> None:
    """In pieces, and none is lost."""
    with nbkit.serve(elsewhere) as server:
        picture = Image.new("RGB", (30, 10))
        result = server.client().subscribe("me/mirror", {"picture": picture, "content": os.urandom(20 * MiB)})

    assert result.data == {"size": 20 * MiB, "width": 30}


def test_a_store_that_both_see_is_used(elsewhere: Elsewhere, tmp_path: Path) -> None:
    """Then no file crosses the line: the worker reads and writes where the server does."""
    store = tmp_path / "lab"
    store.mkdir()
    with nbkit.serve(elsewhere, store=f"file://{store}") as server:
        result = server.client().subscribe("me/turn", {"picture": Image.new("RGB", (40, 10), "teal")})
        kept = [path for path in (store / "server" / "files").iterdir() if not path.suffix]

    assert result.image.pil().size == (10, 40)
    assert len(kept) == 2
