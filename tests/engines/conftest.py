from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PIL import Image
from skimage import data

from nbkit import config
from nbkit.engines import weights

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="session")
def cache_with_weights() -> Path:
    """The cache folder of this machine, once everything is pulled into it."""
    weights.pull()
    return config.cache_dir()


@pytest.fixture(autouse=True)
def _weights_present(cache_with_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBKIT_CACHE", str(cache_with_weights))


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine to which nothing was pulled yet."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("NBKIT_CACHE", str(cache))
    return cache


@pytest.fixture(scope="session")
def photograph() -> Callable[[str], Image.Image]:
    """Photographs by name, as scikit-image ships them."""
    return lambda name: Image.fromarray(getattr(data, name)()).convert("RGB")
