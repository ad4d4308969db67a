"""fal's own Python client in realtime sessions with the local server; it is told the addresses, nothing else."""

from __future__ import annotations

import gc
import subprocess
import sys
import warnings
from typing import TYPE_CHECKING

import fal_client
import fal_client.client as published
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)

KEY = "id:secret"
SMALL = {"prompt": "a cat", "image_size": {"width": 64, "height": 64}}


@pytest.fixture(scope="module", autouse=True)
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A server with a key, to which fal's client is directed."""
    folder = str(tmp_path_factory.mktemp("server"))
    command = [sys.executable, "-m", "nbkit", "serve", "--port", "0", "--key", KEY, "--data-dir", folder]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        url = process.stdout.readline().split()[-1]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(published, "REALTIME_URL_FORMAT", url.replace("http", "ws", 1) + "/run/")
            patch.setattr(published, "REST_URL", f"{url}/rest")
            yield
        process.terminate()
    with warnings.catch_warnings():
        # The client never closes its connections; they are to be collected here, not in another test.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.mark.parametrize("use_jwt", [True, False])
def test_a_session_with_a_stand_in(use_jwt: bool) -> None:  # noqa: FBT001
    """With a token or with the key, each input is answered."""
    with fal_client.SyncClient(key=KEY).realtime(
        "fal-ai/fast-sdxl", use_jwt=use_jwt, max_buffering=2
    ) as session:
        session.send({**SMALL, "seed": 1})
        first = session.recv()
        session.send({**SMALL, "seed": 2})
        second = session.recv()

    assert first
    assert second
    assert (first["seed"], second["seed"]) == (1, 2)
    assert first["images"][0]["width"] == 64


def test_an_error_is_raised_by_the_client() -> None:
    """What a model refuses is fal's own error."""
    with fal_client.SyncClient(key=KEY).realtime("fal-ai/fast-sdxl") as session:
        session.send({"num_images": 99})
        with pytest.raises(published.RealtimeError) as caught:
            session.recv()

    assert "num_images" in caught.value.reason


async def test_the_asynchronous_client() -> None:
    """The same, awaited."""
    async with fal_client.AsyncClient(key=KEY).realtime("fal-ai/fast-sdxl") as session:
        await session.send(SMALL)
        answer = await session.recv()

    assert answer
    assert answer["images"][0]["width"] == 64
