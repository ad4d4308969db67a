from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from nbkit.engines.diffusion.folder import read_folder
from nbkit.errors import EngineError
from tests.tiny_pipeline import write_index

if TYPE_CHECKING:
    from pathlib import Path

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=9,
)


def refusal(path: Path) -> str:
    """What is said about a folder that is no pipeline, which is always about the model and one line long."""
    with pytest.raises(EngineError) as caught:
        read_folder(path)
    assert caught.value.field == "model"
    (said,) = caught.value.args
    assert "\n" not in said
    return str(said)


def test_a_folder_tells_its_pipeline_and_its_parts(tmp_path: Path) -> None:
    """What it says is known before anything is loaded."""
    folder = write_index(tmp_path / "sd")
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.touch()
    found = read_folder(folder)

    assert found.pipeline == "StableDiffusionPipeline"
    assert found.components == {
        "scheduler": ("diffusers", "DDIMScheduler"),
        "unet": ("diffusers", "UNet2DConditionModel"),
    }
    assert found.weights == (weights,)
    assert found.variant == ""


def test_what_is_no_pipeline_is_said_to_be_none(tmp_path: Path) -> None:
    """Each way in which a path can be wrong has words of its own."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "sd.safetensors").touch()

    assert "there is no folder gone" in refusal(tmp_path / "gone")
    assert "empty holds no diffusers pipeline: it has no model_index.json" in refusal(tmp_path / "empty")
    assert "sd.safetensors is a single file" in refusal(tmp_path / "sd.safetensors")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "not valid JSON"),
        (f"{'[' * 100_000}", "not valid JSON"),
        ("\xff", "not valid JSON"),
        ("[]", "does not say which pipeline"),
        ("{}", "does not say which pipeline"),
        (" " * (2**20 + 1), "too large"),
    ],
    ids=["cut", "deep", "bytes", "list", "nothing", "large"],
)
def test_a_broken_index_is_refused(tmp_path: Path, content: str, said: str) -> None:
    """Folders come from anywhere."""
    folder = write_index(tmp_path / "sd")
    (folder / "model_index.json").write_bytes(content.encode("latin-1"))

    assert said in refusal(folder)


@pytest.mark.parametrize(
    ("changes", "file", "said"),
    [
        ({"_class_name": ["pipeline", "Mine"]}, "pipeline.py", "pipeline class as Python code of its own"),
        ({"unet": ["my_unet", "Mine"]}, "unet/my_unet.py", "its unet as Python code of its own"),
        ({"unet": ["os.path", "join"]}, "", "no library and class"),
        ({"unet": ["../mine", "Mine"]}, "", "no library and class"),
        ({"unet": ["diffusers"]}, "", "no library and class"),
        ({"unet": ["diffusers", 1]}, "", "no library and class"),
        ({"../unet": ["diffusers", "UNet2DConditionModel"]}, "", "no library and class"),
    ],
)
def test_code_in_a_folder_is_never_run(tmp_path: Path, changes: dict[str, Any], file: str, said: str) -> None:
    """Not the pipeline's, not a part's, and nothing that is installed and no part of a pipeline."""
    folder = write_index(tmp_path / "sd", **changes)
    if file:
        (folder / file).write_text("raise SystemExit('was run')")

    assert said in refusal(folder)


def test_pickled_weights_are_refused_with_the_way_to_convert_them(tmp_path: Path) -> None:
    """Where a part has safetensors too, those are loaded and the others lie there unread."""
    folder = write_index(tmp_path / "sd")
    pickled = folder / "unet" / "diffusion_pytorch_model.bin"
    pickled.touch()
    assert "sd/unet/diffusion_pytorch_model.bin holds pickled weights" in refusal(folder)
    with pytest.raises(EngineError, match="save_pretrained"):
        read_folder(folder)

    pickled.with_suffix(".safetensors").touch()
    assert read_folder(folder).weights == (pickled.with_suffix(".safetensors"),)


@pytest.mark.parametrize(
    ("files", "variant"),
    [
        (["model.safetensors"], ""),
        (["model.fp16.safetensors"], "fp16"),
        (["model.fp16.safetensors", "model.safetensors"], ""),
        (["model.bf16.safetensors", "model.fp16.safetensors"], "fp16"),
        (["model.bf16.safetensors"], "bf16"),
        (["model.fp16-00001-of-00002.safetensors", "model.fp16-00002-of-00002.safetensors"], "fp16"),
        (["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"], ""),
    ],
)
def test_a_variant_is_asked_for_where_there_is_nothing_else(
    tmp_path: Path, files: list[str], variant: str
) -> None:
    """Many pipelines are passed on in half precision alone."""
    folder = write_index(tmp_path / "sd")
    for name in files:
        (folder / "unet" / name).touch()

    assert read_folder(folder).variant == variant


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    """A pipeline that was trained on is another one."""
    folder = write_index(tmp_path / "sd")
    weights = folder / "unet" / "model.safetensors"
    weights.touch()
    before = read_folder(folder).state
    assert read_folder(folder).state == before

    os.utime(weights, (1, 1))
    assert read_folder(folder).state != before


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(index=st.dictionaries(st.sampled_from(["_class_name", "unet", "vae"]) | st.text(max_size=9), JSON))
def test_any_index_is_read_or_refused(tmp_path: Path, index: dict[str, Any]) -> None:
    """There is no third way."""
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    try:
        found = read_folder(tmp_path)
    except EngineError as error:
        assert error.field == "model"  # noqa: PT017 - either is right
    else:
        assert found.pipeline == index["_class_name"]
