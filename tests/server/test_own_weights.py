from __future__ import annotations

import base64
import io
import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageDraw

from nbkit.errors import ConfigError
from nbkit.server.settings import Settings
from tests.tiny_pipeline import INSTALLED, SIDE, needs_diffusers, save_pipeline, write_index

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import httpx

    from tests.server.conftest import CommandLine

    Finished = Callable[[dict[str, Any]], dict[str, Any]]

KEY = "a-key-for-these-tests"


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models."""
    folder = tmp_path_factory.mktemp("models")
    write_index(folder / "hollow")
    write_index(folder / "coded", unet=["my_unet", "Mine"])
    (folder / "coded" / "unet" / "my_unet.py").write_text("open('/tmp/was-run', 'w')")
    (folder / "single.safetensors").touch()
    if INSTALLED:
        save_pipeline(folder / "tiny")
    return folder


@pytest.fixture(scope="module")
def studio(serve: type[CommandLine], shelf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that may read it. Its one worker keeps the pipeline that it used last."""
    command = serve(
        *("--port", "0", "--workers", "1", "--models-dir", str(shelf)),
        *("--data-dir", str(tmp_path_factory.mktemp("studio"))),
    )
    yield command.url()
    assert command.end() == (0, "")


@pytest.fixture
def ask(http: httpx.Client, studio: str) -> Callable[..., httpx.Response]:
    """Call the endpoint directly."""

    def call(**given: Any) -> httpx.Response:
        return http.post(f"{studio}/run/local/diffusers", json={"prompt": "a cat", **given})

    return call


def _detail(answer: httpx.Response) -> dict[str, Any]:
    """The one thing that is wrong."""
    assert answer.status_code == 422, answer.text
    (entry,) = answer.json()["detail"]
    return dict(entry)


def _png(picture: Image.Image) -> str:
    content = io.BytesIO()
    picture.save(content, "PNG")
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"


def _picture(described: dict[str, Any]) -> Image.Image:
    """The picture of a call with `sync_mode`."""
    content = base64.b64decode(described["url"].partition(",")[2])
    assert len(content) == described["file_size"]
    return Image.open(io.BytesIO(content))


@pytest.fixture(scope="module")
def ball() -> str:
    """A picture whose sides are no multiples of 8."""
    picture = Image.new("RGB", (197, 130), "skyblue")
    ImageDraw.Draw(picture).ellipse((50, 20, 150, 110), fill="crimson")
    return _png(picture)


def test_models_outside_of_the_folders_are_as_if_they_were_not_there(
    ask: Callable[..., httpx.Response], shelf: Path
) -> None:
    """The answer about a file that exists is the answer about one that does not."""
    (shelf.parent / "outside").mkdir(exist_ok=True)
    answers = [_detail(ask(model=str(shelf.parent / name))) for name in ("outside", "nothing")]
    there, not_there = (entry["msg"].replace(entry["input"], "") for entry in answers)

    assert there == not_there
    assert "in the folders of models that this server may read" in there
    assert answers[0]["loc"] == ["body", "model"]


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (".", "holds no diffusers pipeline: it has no model_index.json"),
        ("gone", "There is no 'gone' in the folders"),
        ("single.safetensors", "single.safetensors is a single file"),
        ("coded", "its unet as Python code of its own, which is never run"),
    ],
)
def test_what_is_no_pipeline_is_refused(ask: Callable[..., httpx.Response], model: str, said: str) -> None:
    """It is told about the field, whether or not pipelines could be run here."""
    entry = _detail(ask(model=model))

    assert entry["loc"] == ["body", "model"]
    assert said in entry["msg"]


@pytest.mark.parametrize(
    ("given", "loc", "kind"),
    [
        ({"image_size": {"width": 100, "height": 64}}, ["image_size", "width"], "multiple_of"),
        ({"image_size": "huge"}, ["image_size"], "literal_error"),
        ({"num_inference_steps": 0}, ["num_inference_steps"], "greater_than_equal"),
        ({"strength": 1.5}, ["strength"], "less_than_equal"),
        ({"scheduler": "magic"}, ["scheduler"], "literal_error"),
        ({"model": ""}, ["model"], "string_too_short"),
        ({"model": None}, ["model"], "missing"),
    ],
)
def test_a_wrong_input_is_refused_before_a_model_is_looked_at(
    ask: Callable[..., httpx.Response], given: dict[str, Any], loc: list[str], kind: str
) -> None:
    """Sides go by 8 pixels, because that is how these networks work."""
    entry = _detail(ask(**{"model": "hollow"} | given))

    assert entry["loc"] == ["body", *loc]
    assert entry["type"] == kind


@pytest.mark.skipif(INSTALLED, reason="torch, diffusers and transformers are installed")
def test_it_says_what_to_install(ask: Callable[..., httpx.Response]) -> None:
    """No input is at fault then."""
    answer = ask(model="hollow")

    assert answer.status_code == 500
    assert "pip install 'nbkit-media[diffusers]'" in answer.json()["detail"]


def test_without_folders_nothing_is_read(http: httpx.Client, server: str, shelf: Path) -> None:
    """A server reads no models until its owner says which."""
    given = {"model": str(shelf / "hollow"), "prompt": "a cat"}
    entry = _detail(http.post(f"{server}/run/local/diffusers", json=given))

    assert "nbkit serve --models-dir DIR" in entry["msg"]


@pytest.mark.parametrize("key", [KEY, ""])
def test_a_kernel_reads_every_folder_of_its_user(
    serve: type[CommandLine], http: httpx.Client, shelf: Path, tmp_path: Path, key: str
) -> None:
    """But only while nobody else can call its server, which is what the key is for."""
    command = serve(
        *("--port", "0", "--exit-with-parent", "--workers", "1"),
        stdin=subprocess.PIPE,
        NBKIT_HOME=str(tmp_path),
        NBKIT_SERVER_KEY=key,
    )
    given = {"model": str(shelf / "coded"), "prompt": "a cat"}
    headers = {"Authorization": f"Key {key or KEY}"}
    answer = http.post(f"{command.url()}/run/local/diffusers", json=given, headers=headers)
    command.end()

    assert ("is never run" in _detail(answer)["msg"]) == bool(key)


def test_a_folder_of_models_must_be_one(serve: type[CommandLine], tmp_path: Path) -> None:
    """A slip is told when the server starts, not with each request."""
    command = serve(
        "--port", "0", "--data-dir", str(tmp_path / "data"), NBKIT_MODELS_DIR=str(tmp_path / "gone")
    )
    command.process.wait(20)
    code, errors = command.end()

    assert code == 1
    assert (
        errors
        == f"nbkit serve: --models-dir (or NBKIT_MODELS_DIR) names {tmp_path / 'gone'}, which is no folder here\n"
    )
    with pytest.raises(ConfigError, match="models-dir"):
        Settings(models_dirs=(tmp_path.relative_to(tmp_path.anchor),))


@needs_diffusers
def test_a_prompt_becomes_a_picture(ask: Callable[..., httpx.Response]) -> None:
    """The picture tells what made it, and how to make it again."""
    output = ask(model="tiny", seed=3, num_inference_steps=2, sync_mode=True).json()
    picture = _picture(output["images"][0])

    assert picture.size == (SIDE, SIDE)
    assert picture.info["Software"] == "nbkit local/diffusers (StableDiffusionPipeline of tiny)"
    assert picture.info["Seed"] == "3"
    assert output["seed"] == 3
    assert output["pipeline"] == "StableDiffusionPipeline"
    assert output["has_nsfw_concepts"] == [False]
    assert output["timings"]["inference"] > 0


@needs_diffusers
def test_each_picture_has_a_seed_of_its_own(ask: Callable[..., httpx.Response]) -> None:
    """One of several can be made again alone, byte for byte."""
    given = {
        "model": "tiny",
        "num_inference_steps": 2,
        "sync_mode": True,
        "image_size": {"width": 64, "height": 72},
    }
    both = ask(**given, seed=8, num_images=2).json()["images"]
    (second,) = ask(**given, seed=9).json()["images"]

    assert _picture(second).size == (64, 72)
    assert both[1]["url"] == second["url"]
    assert both[0]["url"] != second["url"]


@needs_diffusers
def test_a_picture_is_where_another_begins(ask: Callable[..., httpx.Response], ball: str) -> None:
    """It keeps about its size, and more of it where the strength is less."""
    given = {"model": "tiny", "seed": 3, "num_inference_steps": 10, "sync_mode": True, "image_url": ball}
    pictures = [_picture(ask(**given, strength=strength).json()["images"][0]) for strength in (0.2, 0.2, 0.9)]

    assert pictures[0].size == (200, 128)
    assert pictures[0].tobytes() == pictures[1].tobytes() != pictures[2].tobytes()
    entry = _detail(ask(**given | {"num_inference_steps": 1}, strength=0.5))
    assert entry["loc"] == ["body", "strength"]
    assert _detail(ask(**given | {"image_url": "data:,no picture"}))["loc"] == ["body", "image_url"]


@needs_diffusers
def test_steps_are_shown_to_who_watches(http: httpx.Client, studio: str) -> None:
    """With pictures, at most five a second, in the proportions of the one that they become."""
    given = {
        "model": "tiny",
        "prompt": "a cat",
        "num_inference_steps": 30,
        "image_size": {"width": 256, "height": 128},
    }
    with http.stream("POST", f"{studio}/run/local/diffusers/stream", json=given) as answer:
        told = [json.loads(line[5:]) for line in answer.iter_lines() if line.startswith("data:")]
    *steps, output = told
    previews = [image for step in steps for image in step["images"]]

    assert [step["stage"] for step in steps] == [f"step {number} of 30" for number in range(1, 31)]
    assert [step["progress"] for step in steps] == [round(number / 30, 4) for number in range(1, 31)]
    assert 1 <= len(previews) < len(steps)
    assert {(image["width"], image["height"]) for image in previews} == {(256, 128)}
    assert output["images"][0]["width"] == 256


@needs_diffusers
def test_a_cancel_is_heard_at_each_step_and_the_model_stays_loaded(
    http: httpx.Client, studio: str, finished: Finished, until_running: Callable[[dict[str, Any]], None]
) -> None:
    """The next request begins at once."""
    queue = f"{studio}/queue/local/diffusers"
    short = {"model": "tiny", "prompt": "a cat", "num_inference_steps": 1}
    finished(http.post(queue, json=short).json())
    ticket = http.post(queue, json=short | {"num_inference_steps": 200, "num_images": 8}).json()
    until_running(ticket)
    http.put(ticket["cancel_url"])
    finished(ticket)
    logs = finished(http.post(queue, json=short).json())["logs"]

    assert http.get(ticket["response_url"]).status_code == 499
    assert [line["message"] for line in logs] == ["StableDiffusionPipeline is still loaded on cpu"]
