from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

import nbkit
from tests.server.conftest import HERE as MODELS, running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbkit.server.host import Host


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A server of two workers, with its own endpoints and models that do as they are told."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(MODELS), prepend=os.pathsep)
        with running(data_dir=tmp_path_factory.mktemp("lab")) as host:
            yield host


@pytest.fixture
def client(lab: Host) -> Iterator[nbkit.Client]:
    """A client of that server."""
    with nbkit.Client(base_url=lab.url) as client:
        yield client


@pytest.fixture
def postcard(client: nbkit.Client) -> nbkit.workflow:
    """A sketch that is cut out and enlarged: two steps that wait for one."""
    flow = nbkit.workflow("postcard", title="A postcard", client=client)
    prompt = flow.input("prompt", str, description="What to draw")
    size = {"width": 64, "height": 64}
    sketch = flow.run(
        "fal-ai/fast-sdxl", prompt=prompt, image_size=size, seed=flow.input("seed", default=None)
    )
    cut = flow.run("lab/echo", image_url=sketch.images[0].url)
    large = flow.run("local/upscale", image_url=sketch.images[0].url, upscale_factor=1)
    flow.output(cutout=cut.given.image_url, large=large.image)
    return flow
