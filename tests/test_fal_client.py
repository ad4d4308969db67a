"""fal's own Python client against the local server; it is told the addresses and otherwise as it was published."""

from __future__ import annotations

import asyncio
import gc
import io
import subprocess
import sys
import warnings
from typing import TYPE_CHECKING, Any

import fal_client
import fal_client.client as published
import httpx
import pytest
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)

KEY = "id:secret"
PROMPT = {"prompt": "a cat in a garden", "image_size": {"width": 128, "height": 128}}
STICKER = "workflows/fal-ai/sdxl-sticker"


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with a key, to which fal's client is directed."""
    folder = str(tmp_path_factory.mktemp("server"))
    command = [sys.executable, "-m", "nbkit", "serve", "--port", "0", "--key", KEY, "--data-dir", folder]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        url = process.stdout.readline().split()[-1]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(published, "RUN_URL_FORMAT", f"{url}/run/")
            patch.setattr(published, "QUEUE_URL_FORMAT", f"{url}/queue/")
            patch.setattr(published, "REST_URL", f"{url}/rest")
            patch.setattr(published, "CDN_URL", f"{url}/cdn")
            yield url
        process.terminate()
    with warnings.catch_warnings():
        # The client never closes its connections; they are to be collected here, not in another test.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def client(origin: str) -> fal_client.SyncClient:
    """Fal's synchronous client."""
    assert origin
    return fal_client.SyncClient(key=KEY)


@pytest.fixture
def async_client(origin: str) -> fal_client.AsyncClient:
    """Fal's asynchronous client."""
    assert origin
    return fal_client.AsyncClient(key=KEY)


def _edit() -> dict[str, Any]:
    url = fal_client.encode_image(Image.new("RGB", (256, 256), "teal"))
    return {**PROMPT, "image_url": url, "seed": 42}


def test_run(client: fal_client.SyncClient) -> None:
    """One picture, as asked for."""
    output = client.run("fal-ai/fast-sdxl", PROMPT, timeout=60, hint="lora:a")

    assert len(output["images"]) == 1
    assert (output["images"][0]["width"], output["images"][0]["height"]) == (128, 128)


def test_submit_and_follow(client: fal_client.SyncClient) -> None:
    """A handle from a submit to a sub-path is the handle that is made from the id; its events end with the result."""
    handle = client.submit(
        "fal-ai/fast-sdxl", _edit(), path="/image-to-image", priority="low", start_timeout=30
    )
    events = list(handle.iter_events(with_logs=True, interval=0.05))
    output = handle.get()
    name = "fal-ai/fast-sdxl/image-to-image"
    plain, with_logs = handle.status(), client.status(name, handle.request_id, with_logs=True)

    assert isinstance(events[-1], fal_client.Completed)
    assert output["seed"] == 42
    assert client.get_handle(name, handle.request_id) == handle
    assert client.result(name, handle.request_id) == output
    assert isinstance(plain, fal_client.Completed)
    assert plain.logs is None
    assert isinstance(with_logs, fal_client.Completed)
    assert with_logs.logs is not None
    assert with_logs.metrics["inference_time"] > 0
    assert client.status(name, handle.request_id) == plain


def test_subscribe_tells_logs(client: fal_client.SyncClient) -> None:
    """The stand-in says that it is one."""
    logs: list[dict[str, Any]] = []
    ids: list[str] = []

    def update(status: Any) -> None:
        logs.extend(getattr(status, "logs", None) or [])

    output = client.subscribe(
        "fal-ai/fast-sdxl", PROMPT, with_logs=True, on_queue_update=update, on_enqueue=ids.append, hint="x"
    )

    assert output["prompt"] == PROMPT["prompt"]
    assert ids
    assert any("stand-in: local/collage" in entry["message"] for entry in logs)


def test_stream_a_workflow(client: fal_client.SyncClient) -> None:
    """Three steps, then the output."""
    events = list(client.stream(STICKER, {"prompt": "a cat", "seed": 1}))

    assert [event["type"] for event in events] == ["submit", "completion"] * 3 + ["output"]
    assert httpx.get(events[-1]["output"]["image"]["url"]).headers["content-type"] == "image/png"


def test_stream_a_model(client: fal_client.SyncClient) -> None:
    """Parts, then the whole."""
    events = list(client.stream("fal-ai/fast-sdxl", PROMPT))

    assert len(events) >= 2
    assert events[0]["partial"] is True
    assert "partial" not in events[-1]
    assert events[-1]["prompt"] == PROMPT["prompt"]


def test_a_workflow_through_the_queue(client: fal_client.SyncClient) -> None:
    """The output alone."""
    output = client.subscribe(STICKER, {"prompt": "a cat"})

    assert set(output) == {"images", "image"}


def test_upload_text_file_and_picture(client: fal_client.SyncClient, tmp_path: Path) -> None:
    """What went up is fetched plainly, without the key."""
    path = tmp_path / "notes.txt"
    path.write_text("in a file")
    picture = Image.new("RGB", (40, 30), "orange")
    text = client.upload("just text", "text/plain")
    file = client.upload_file(path)
    image = client.upload_image(picture, format="png")

    assert httpx.get(text).text == "just text"
    assert httpx.get(file).text == "in a file"
    assert file.endswith("/notes.txt")
    assert Image.open(io.BytesIO(httpx.get(image).content)).tobytes() == picture.tobytes()


def test_upload_to_the_other_repository(client: fal_client.SyncClient) -> None:
    """The one that puts to a signed address."""
    url = client.upload(b"bytes", "application/octet-stream", file_name="b.bin", repository="fal")

    assert httpx.get(url).content == b"bytes"


def test_upload_in_parts(client: fal_client.SyncClient, tmp_path: Path) -> None:
    """A file of more than 100 MiB goes up in parts of 10."""
    path = tmp_path / "large.bin"
    with path.open("wb") as file:
        file.truncate(101 * 2**20)
    url = client.upload_file(path)

    assert httpx.head(url).headers["content-length"] == str(101 * 2**20)


def test_cancel_what_waits_and_what_is_done(client: fal_client.SyncClient) -> None:
    """A cancelled request is completed, and its result is the client's error; what is over cannot be cancelled."""
    large = {"prompt": "a cat", "num_images": 8, "image_size": {"width": 2048, "height": 2048}}
    handles = [client.submit("fal-ai/fast-sdxl", large) for _ in range(6)]
    for handle in reversed(handles):
        handle.cancel()
    with pytest.raises(fal_client.FalClientHTTPError) as cancelled:
        handles[-1].get()
    with pytest.raises(fal_client.FalClientHTTPError) as late:
        handles[-1].cancel()

    assert cancelled.value.status_code == 499
    assert cancelled.value.error_type == "client_cancelled"
    assert late.value.status_code == 400


def test_errors_are_fal_s(client: fal_client.SyncClient) -> None:
    """A refused field, an unknown endpoint, an unknown request, a wrong key."""
    handle = client.submit("fal-ai/flux-vision-upscaler", {"image_url": "x", "upscale_factor": 9})
    with pytest.raises(fal_client.FalClientHTTPError) as refused:
        handle.get()
    status = handle.status()
    with pytest.raises(fal_client.FalClientHTTPError, match="nearest"):
        client.run("fal-ai/fast-sdxll", {})
    with pytest.raises(fal_client.FalClientHTTPError) as unknown:
        client.status("fal-ai/fast-sdxl", "no-such-request")
    with pytest.raises(fal_client.FalClientHTTPError) as locked:
        fal_client.SyncClient(key="wrong").run("fal-ai/fast-sdxl", PROMPT)

    assert refused.value.status_code == 422
    assert refused.value.response.json()["detail"][0]["ctx"] == {"le": 4}
    assert isinstance(status, fal_client.Completed)
    assert (status.error_type, "upscale_factor" in (status.error or "")) == ("less_than_equal", True)
    assert unknown.value.status_code == 404
    assert locked.value.status_code == 401


def test_a_client_s_own_timeout_cancels(client: fal_client.SyncClient) -> None:
    """It says which request it gave up, and the server gives it up too."""
    large = {"prompt": "a cat", "num_images": 8, "image_size": {"width": 2048, "height": 2048}}
    with pytest.raises(fal_client.FalClientTimeoutError) as caught:
        client.subscribe("fal-ai/fast-sdxl", large, client_timeout=1.2)
    assert caught.value.request_id
    handle = client.get_handle("fal-ai/fast-sdxl", caught.value.request_id)
    with pytest.raises(fal_client.FalClientHTTPError) as cancelled:
        handle.get()

    assert cancelled.value.status_code == 499


async def test_async_run_submit_and_follow(async_client: fal_client.AsyncClient) -> None:
    """The same, awaited."""
    output = await async_client.run("fal-ai/fast-sdxl", PROMPT)
    handle = await async_client.submit("fal-ai/fast-sdxl/image-to-image", _edit())
    events = [event async for event in handle.iter_events(with_logs=True, interval=0.05)]
    edited = await handle.get()
    same = await async_client.get_handle("fal-ai/fast-sdxl/image-to-image", handle.request_id)

    assert len(output["images"]) == 1
    assert isinstance(events[-1], fal_client.Completed)
    assert edited["seed"] == 42
    assert same == handle
    assert await async_client.result("fal-ai/fast-sdxl", handle.request_id) == edited
    assert await async_client.status("fal-ai/fast-sdxl", handle.request_id) == await handle.status()


async def test_async_subscribe_and_stream(async_client: fal_client.AsyncClient) -> None:
    """Many at once too."""
    outputs = await asyncio.gather(
        *(async_client.subscribe("fal-ai/fast-sdxl", {**PROMPT, "seed": n}) for n in range(5))
    )
    events = [event async for event in async_client.stream(STICKER, {"prompt": "a cat"})]

    assert [output["seed"] for output in outputs] == list(range(5))
    assert events[-1]["type"] == "output"


async def test_async_upload_and_cancel(async_client: fal_client.AsyncClient, tmp_path: Path) -> None:
    """Files and cancels."""
    path = tmp_path / "a.txt"
    path.write_text("hello")
    url = await async_client.upload_file(path)
    large = {"prompt": "a cat", "num_images": 8, "image_size": {"width": 2048, "height": 2048}}
    handle = await async_client.submit("fal-ai/fast-sdxl", large)
    await handle.cancel()
    with pytest.raises(fal_client.FalClientHTTPError) as cancelled:
        await handle.get()

    async with httpx.AsyncClient() as plain:
        answer = await plain.get(url)

    assert answer.text == "hello"
    assert cancelled.value.status_code == 499


def test_a_data_uri_goes_in_and_a_picture_comes_out(client: fal_client.SyncClient) -> None:
    """`encode_image` makes an input; the default output of the model is 1024 pixels square."""
    url = fal_client.encode_image(Image.new("RGB", (64, 64), "teal"))
    given = {"prompt": "a cat", "image_url": url, "image_size": "square_hd"}
    output = client.run("fal-ai/fast-sdxl/image-to-image", given)

    assert url.startswith("data:image/jpeg;base64,")
    assert (output["images"][0]["width"], output["images"][0]["height"]) == (1024, 1024)
