"""A published Python client of Dify against the local server of both eras; it is told the address and the key."""

from __future__ import annotations

import gc
import io
import subprocess
import sys
import warnings
from typing import TYPE_CHECKING, Any

import dify_client
import dify_client._clientx as published
import httpx
import pytest
from dify_client import errors, models
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)

PROMPT = {"prompt": "a cat in a garden", "width": 128, "height": 128, "seed": 7}
LARGE = PROMPT | {"width": 2048, "height": 2048}


@pytest.fixture(scope="module", params=["0.6", "1.13"])
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server of each era."""
    folder = str(tmp_path_factory.mktemp("server"))
    options = ["--port", "0", "--dify-version", request.param, "--data-dir", folder]
    command = [sys.executable, "-m", "nbkit", "serve", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield f"{process.stdout.readline().split()[-1]}/v1"
        process.terminate()
    with warnings.catch_warnings():
        # The client never closes its connections; they are to be collected here, not in another test.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def client(base: str) -> dify_client.Client:
    """A synchronous client of the app that makes pictures."""
    return dify_client.Client(api_key="app-local-text-to-image", api_base=base)


@pytest.fixture
def stickers(base: str) -> dify_client.Client:
    """A synchronous client of the app that makes stickers."""
    return dify_client.Client(api_key="app-local-sticker", api_base=base)


def asked(inputs: dict[str, Any], mode: str, **more: Any) -> models.WorkflowsRunRequest:
    """A request to run a workflow."""
    return models.WorkflowsRunRequest(
        inputs=inputs, response_mode=models.ResponseMode(mode), user="u1", **more
    )


def detail(client: dify_client.Client, run_id: str) -> dict[str, Any]:
    """The record of a run; the client has no method for it."""
    found: dict[str, Any] = client.request(f"{client.api_base}/workflows/run/{run_id}", "GET").json()
    return found


def data(event: models.WorkflowsStreamResponse) -> dict[str, Any]:
    """What an event says; the client knows the fields of some."""
    told: Any = event.data if isinstance(event.data, dict) else event.data.model_dump()
    return dict(told)


def is_old(client: dify_client.Client) -> bool:
    """Whether the server is like one of 2024."""
    told: str = client.request(f"{client.api_base}/info", "GET").headers["x-version"]
    return told.startswith("0.")


def test_blocking(client: dify_client.Client) -> None:
    """A run with one answer has its output, whose file can be fetched, and its record says the same."""
    answer = client.run_workflows(asked(PROMPT, "blocking"))
    file = answer.data.outputs["files"][0]
    picture = Image.open(io.BytesIO(httpx.get(file["url"]).content))
    record = detail(client, answer.workflow_run_id)

    assert answer.data.status == "succeeded"
    assert (answer.data.outputs["seed"], picture.size) == (7, (128, 128))
    assert (record["id"], record["status"]) == (answer.data.id, "succeeded")


def test_streaming(client: dify_client.Client) -> None:
    """The events of a run are of the kinds and types that the client knows, and end with the output."""
    events = list(client.run_workflows(asked(PROMPT, "streaming")))
    told = [it for it in events if isinstance(it, models.WorkflowsStreamResponse)]
    started = [data(it)["node_id"] for it in told if it.event == models.StreamEvent.NODE_STARTED]
    finished = [data(it)["node_id"] for it in told if it.event == models.StreamEvent.NODE_FINISHED]

    assert {type(it.event) for it in events} == {models.StreamEvent}
    assert (told[0].event, told[-1].event) == (
        models.StreamEvent.WORKFLOW_STARTED,
        models.StreamEvent.WORKFLOW_FINISHED,
    )
    assert {it.task_id for it in told} == {told[0].task_id}
    assert started == finished == ["start", "prepare", "draw", "end"]
    assert data(told[-1])["outputs"]["seed"] == 7


def test_a_stop(client: dify_client.Client) -> None:
    """A run that is stopped ends its stream, and says that it was stopped."""
    told: list[Any] = []
    for event in client.run_workflows(asked(LARGE, "streaming")):
        if not told:
            assert client.stop_workflows(event.task_id, models.StopRequest(user="u1")).result == "success"
        told.append(event)
    last = next(it for it in told if it.event == models.StreamEvent.WORKFLOW_FINISHED)

    assert data(last)["status"] == "stopped"
    assert detail(client, last.workflow_run_id)["status"] == "stopped"


def test_an_upload(stickers: dify_client.Client) -> None:
    """A file goes up, and is the input of a run: as a variable today, beside the inputs in 2024."""
    content, picture = io.BytesIO(), Image.new("RGB", (96, 96), "white")
    ImageDraw.Draw(picture).ellipse((20, 20, 76, 76), "red")
    picture.save(content, "PNG")
    file = stickers.upload_files(
        ("a.png", content.getvalue(), "image/png"), models.UploadFileRequest(user="u1")
    )
    named = models.File(type="image", transfer_method="local_file", upload_file_id=file.id)
    if is_old(stickers):
        answer = stickers.run_workflows(asked({}, "blocking", files=[named]))
    else:
        inputs = {"picture": named.model_dump(exclude_none=True)}
        answer = stickers.run_workflows(asked(inputs, "blocking"))

    assert (file.name, file.extension, file.mime_type) == ("a.png", "png", "image/png")
    assert file.size == len(content.getvalue())
    assert (answer.data.status, answer.data.error) == ("succeeded", None)
    assert answer.data.outputs["sticker"]


def test_refusals(base: str, client: dify_client.Client) -> None:
    """What is refused is an error of the client's own kind for it."""
    with pytest.raises(errors.DifyInvalidParam, match="prompt is required in input form"):
        client.run_workflows(asked({}, "blocking"))
    with pytest.raises(errors.DifyAPIError, match="Access token is invalid") as caught:
        dify_client.Client(api_key="app-x", api_base=base).run_workflows(asked(PROMPT, "blocking"))
    assert caught.value.status == 401
    nothing = errors.DifyAPIError if is_old(client) else errors.DifyNoFileUploaded
    with pytest.raises(nothing) as caught:
        client.request(f"{base}/files/upload", "POST", files=[("image", b"x")])
    assert caught.value.status == 400


async def test_the_asynchronous_client(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The asynchronous client does the same."""
    async with (
        httpx.AsyncClient() as own
    ):  # the client's own is one for all event loops, of which each test has one
        monkeypatch.setattr(published, "_async_httpx_client", own)
        await _run_asynchronously(base)


async def _run_asynchronously(base: str) -> None:
    client = dify_client.AsyncClient(api_key="app-local-text-to-image", api_base=base)
    answer = await client.arun_workflows(asked(PROMPT, "blocking"))

    assert answer.data.outputs["seed"] == 7
