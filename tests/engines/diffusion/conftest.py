"""Pipelines to try."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.tiny_pipeline import save_pipeline

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline that draws noise; it is not to be changed."""
    return save_pipeline(tmp_path_factory.mktemp("pipelines") / "tiny")


@pytest.fixture
def own_tiny(tiny: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    return shutil.copytree(tiny, tmp_path / "own")
