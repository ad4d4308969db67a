"""The whole way: a client without a key, and the server that it starts for itself."""

from __future__ import annotations

import asyncio
import io
import time
from typing import TYPE_CHECKING

import pytest
from PIL import Image

import nbkit
from nbkit.errors import ConnectionFailed, NbkitError, RunCancelled, RunFailed, ServiceError
from nbkit.model.event import Output, StepFinished, StepStarted
from nbkit.providers import embedded

if TYPE_CHECKING:
    from collections.abc import Iterator

CAT = {"prompt": "a cat by the sea", "seed": 7, "image_size": {"width": 256, "height": 256}}


@pytest.fixture(scope="session")
def client() -> Iterator[nbkit.Client]:
    """A client as somebody without a key has it; its server is started once."""
    with nbkit.Client("local") as client:
        yield client


def picture(size: tuple[int, int] = (32, 32)) -> Image.Image:
    """A small picture."""
    return Image.linear_gradient("L").resize(size).convert("RGB")


def test_by_the_queue(client: nbkit.Client) -> None:
    """A picture is made, its file is here, and the seed gives it again."""
    first, second = client.subscribe("local/collage", CAT), client.subscribe("local/collage", CAT)

    assert first.image.pil().size == (256, 256)
    assert (first.seed, first.image.sha256) == (7, second.image.sha256)
    assert first.request_id != second.request_id


def test_directly(client: nbkit.Client) -> None:
    """The same without the queue."""
    assert (
        client.run("local/collage", CAT).image.sha256 == client.subscribe("local/collage", CAT).image.sha256
    )


def test_as_a_stream(client: nbkit.Client) -> None:
    """Pictures come while it is made, and the last one is the result."""
    run = client.stream("local/collage", CAT)
    outputs = [event for event in run if isinstance(event, Output)]

    assert len(outputs) > 2
    assert outputs[0].media[0].width
    assert run.result().image.pil().size == (256, 256)


def test_a_workflow(client: nbkit.Client) -> None:
    """A graph sent along tells its steps and gives its output."""
    graph = {
        "input": {"id": "input", "type": "input", "depends": [], "input": {"prompt": ""}},
        "draw": {
            "id": "draw",
            "type": "run",
            "depends": ["input"],
            "app": "local/collage",
            "input": {"prompt": "$input.prompt", "image_size": {"width": 128, "height": 128}},
        },
        "output": {
            "id": "output",
            "type": "display",
            "depends": ["draw"],
            "fields": {"image": "$draw.images.0"},
        },
    }
    run = client.stream("workflows/execute", {"input": {"prompt": "a dog"}, "workflow": graph})
    events = list(run)

    assert [event.node for event in events if isinstance(event, StepStarted)] == ["draw"]
    assert [event.node for event in events if isinstance(event, StepFinished)] == ["draw"]
    assert run.result().image.pil().size == (128, 128)


def test_files_go_in(client: nbkit.Client) -> None:
    """A picture from memory, and the result of an earlier run, are inputs."""
    once = client.subscribe("local/upscale", {"image_url": picture(), "upscale_factor": 2})
    twice = client.subscribe("local/upscale", {"image_url": once, "upscale_factor": 2})

    assert (once.image.width, twice.image.width) == (64, 128)
    url = client.upload(b"text", content_type="text/plain", file_name="a.txt")
    assert url.startswith("http://127.0.0.1:")


def test_taken_up_again(client: nbkit.Client) -> None:
    """By its id a request is asked for and followed."""
    run = client.submit("local/collage", CAT)
    result = client.attach("local/collage", run.id).result(30)

    assert client.status("local/collage", run.id, logs=True).state == "completed"
    assert client.result("local/collage", run.id).data == result.data == run.result(30).data


def test_cancelled(client: nbkit.Client) -> None:
    """A run that waits behind others is cancelled; it ends one way or the other."""
    runs = [client.submit("local/collage", {**CAT, "seed": seed, "num_images": 4}) for seed in range(6)]
    runs[-1].cancel()
    with pytest.raises(RunCancelled):
        runs[-1].result(30)
    assert [run.result(60).seed for run in runs[:-1]] == list(range(5))


def no_picture() -> bytes:
    """A file that is no picture."""
    return b"<html>no picture</html>"


@pytest.mark.parametrize(
    ("endpoint", "given", "words"),
    [
        ("local/no-such-thing", {}, "no-such-thing"),
        ("local/collage", {}, "prompt"),
        ("local/upscale", {"image_url": picture(), "upscale_factor": 9}, "upscale_factor"),
        ("local/upscale", {"image_url": no_picture()}, "image_url"),
        ("local/upscale", {"image_url": "https://127.0.0.1:9/x.png"}, "image_url"),
    ],
)
def test_errors_name_what_is_wrong(
    client: nbkit.Client, endpoint: str, given: dict[str, object], words: str
) -> None:
    """One clear message names the endpoint or the field, by queue and directly."""
    for call in (client.subscribe, client.run):
        with pytest.raises(NbkitError, match=words) as caught:
            call(endpoint, given)
        assert isinstance(caught.value, (ServiceError, RunFailed)) or words in str(caught.value)


async def test_asynchronously() -> None:
    """The same by the asynchronous client, several at once."""
    async with nbkit.AsyncClient("local") as client:
        results = await asyncio.gather(
            *(client.subscribe("local/collage", {**CAT, "seed": seed}) for seed in range(3)),
            client.run("local/collage", CAT),
        )
        url = await client.upload(picture())
        stream = client.stream("local/upscale", {"image_url": url, "upscale_factor": 2})
        assert (await stream).image.width == 64
        assert [event async for event in stream]

    assert [result.seed for result in results] == [0, 1, 2, 7]
    assert Image.open(io.BytesIO(results[0].image.bytes)).size == (256, 256)


def test_the_server_dies_and_comes_back(client: nbkit.Client) -> None:
    """A server that is killed in the middle is told soon; the next call starts another."""
    client.subscribe("local/collage", CAT)
    assert embedded._running is not None
    first = embedded._running[1]
    runs = [client.submit("local/collage", {**CAT, "seed": seed}) for seed in range(12)]
    began = time.monotonic()
    first.process.kill()
    with pytest.raises(ConnectionFailed, match=first.base_url):
        runs[-1].result(60)

    assert time.monotonic() - began < 30
    assert client.subscribe("local/collage", CAT).image.pil().size == (256, 256)
    assert embedded._running[1].base_url != first.base_url
    for run in runs:
        assert run.is_done or run.result(30)


@pytest.mark.parametrize("alias", ["default", "text-to-image"])
def test_a_dify_workflow_without_any_connection_is_answered_here_and_says_so(alias: str) -> None:
    """The result tells which local model stood in, and its card shows it."""
    with nbkit.Client() as client:
        result = client.subscribe(f"dify/{alias}", {"prompt": "a cat", "width": 64, "height": 64, "seed": 3})
    assert (result.data["seed"], result.stand_in) == (3, "local/collage")
    assert result.images[0].pil().size == (64, 64)
    assert "stand-in: local/collage answered" in result._repr_mimebundle_()[0]["text/html"]


def test_a_dify_connection_that_is_half_there_is_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has begun to connect is told what is missing, and gets no stand-in."""
    monkeypatch.setenv("DIFY_API_KEY", "app-SECRETSECRETSECRETSECRET")
    with nbkit.Client() as client, pytest.raises(NbkitError, match="DIFY_BASE_URL is not set"):
        client.subscribe("dify/default", {"prompt": "a cat"})


def test_another_dify_app_is_not_answered_here(client: nbkit.Client) -> None:
    """The embedded server has no app of that name."""
    with nbkit.Client() as anywhere, pytest.raises(NbkitError, match="not connected"):
        anywhere.subscribe("dify/my-cat", {"prompt": "a cat"})
    with pytest.raises(NbkitError, match="local only"):
        client.subscribe("dify/my-cat", {"prompt": "a cat"})
