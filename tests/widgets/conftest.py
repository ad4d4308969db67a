from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PIL import Image

from nbkit.model.media import Media
from nbkit.model.result import Result

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    MakeResult = Callable[..., Result]


@pytest.fixture
def make_result(tmp_path: Path) -> MakeResult:
    """Results with a picture of one colour each."""

    def make(seed: int, prompt: str = "a cat", size: tuple[int, int] = (64, 48)) -> Result:
        path = tmp_path / f"{seed}.png"
        Image.new("RGB", size, (seed % 256, 90, 120)).save(path)
        media = Media(
            f"https://x/{seed}.png", "image/png", f"{seed}.png", path=path, width=size[0], height=size[1]
        )
        return Result({"seed": seed}, "local/collage", {"prompt": prompt}, f"r{seed}", (media,), seed / 10)

    return make
