from __future__ import annotations

import hashlib
import itertools
import os
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from PIL import Image

import nbkit
from nbkit.experiments import running
from nbkit.experiments.grid import Grid, Scale, Tile
from nbkit.experiments.outcome import Outcome
from nbkit.experiments.sweep import Sweep
from nbkit.model.media import Media
from nbkit.providers import fal
from nbkit.transport import retry
from tests.experiments.queue_service import QueueService
from tests.server.conftest import HERE as MODELS, running as lab_running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nbkit.server.host import Host
    from tests.scripted_server import ScriptedServer

COLOURS = ("red", "lime", "blue", "yellow", "fuchsia", "aqua")


class MakeGrid(Protocol):
    """Makes a grid of plain pictures."""

    def __call__(self, title: str = "", **axes: tuple[str, ...]) -> Grid:
        """Make it from the labels of its axes."""


@pytest.fixture
def make_grid(tmp_path: Path) -> MakeGrid:
    """Grids of plain pictures; the colour of a cell is known by the sum of its indexes."""
    for number, colour in enumerate(COLOURS):
        Image.new("RGB", (64, 48), colour).save(tmp_path / f"{number}.png")

    def make(title: str = "", **axes: tuple[str, ...]) -> Grid:
        scales = tuple(Scale(name, labels) for name, labels in axes.items())
        places = itertools.product(*(range(len(scale.labels)) for scale in scales))
        tiles = {
            place: Tile(
                state="succeeded", picture=tmp_path / f"{sum(place) % len(COLOURS)}.png", caption="1 s"
            )
            for place in places
        }
        return Grid(title, scales, tiles)

    return make


@pytest.fixture
def service(scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> QueueService:
    """A service that takes any number of requests; nobody waits longer for it than a test can bear."""
    monkeypatch.setattr(retry, "_FIRST_DELAY", 0.01)
    monkeypatch.setattr(fal, "_QUICKEST_POLL", 0.02)
    monkeypatch.setattr(fal, "_SLOWEST_POLL", 0.1)
    monkeypatch.setattr(running, "_BREATH", 0.05)
    return QueueService(scripted)


@pytest.fixture
def client(service: QueueService) -> Iterator[nbkit.Client]:
    """A client of that service, with a key."""
    with nbkit.Client(key="SECRET-xyz", base_url=service.origin) as client:
        yield client


class MakeSweep(Protocol):
    """Makes a sweep that is over."""

    def __call__(self, draw: Callable[[dict[str, Any]], Image.Image | None], **axes: Any) -> Sweep:
        """Make it from what each cell's input draws; None for a cell that failed."""


@pytest.fixture
def make_sweep(tmp_path: Path) -> MakeSweep:
    """Sweeps whose pictures were drawn by a function of the input, and nothing was sent."""

    def make(draw: Callable[[dict[str, Any]], Image.Image | None], **axes: Any) -> Sweep:
        sweep = Sweep("local/collage", {"prompt": "a cat"}, axes, name="cats")
        for number, cell in enumerate(sweep.cells):
            image = draw(cell.input)
            if image is None:
                outcome = Outcome(state="failed", problem="it went wrong", request_id=f"r{number}")
            else:
                path = tmp_path / f"cell-{number}.png"
                image.save(path)
                sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
                media = Media(
                    "",
                    "image/png",
                    path=path,
                    sha256=sha256,
                    size=path.stat().st_size,
                    width=image.width,
                    height=image.height,
                )
                outcome = Outcome(
                    state="succeeded", media=(media,), seconds=1.5, cost=0.25, request_id=f"r{number}"
                )
            sweep.outcomes[cell.position] = outcome
        return sweep

    return make


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A server of two workers, with models that take as long as they are told."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(MODELS), prepend=os.pathsep)
        with lab_running(data_dir=tmp_path_factory.mktemp("lab")) as host:
            yield host
