from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Paint = Callable[..., Path]


@pytest.fixture
def paint(tmp_path: Path) -> Paint:
    """Write a picture of one colour, or of noise that compresses badly, and give its path."""

    def paint(
        name: str = "a.png", size: tuple[int, int] = (640, 480), mode: str = "RGB", *, noise: bool = False
    ) -> Path:
        path = tmp_path / name
        picture = Image.effect_noise(size, 100).convert(mode) if noise else Image.new(mode, size)
        picture.save(path)
        return path

    return paint
