from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from nbkit.engines.diffusion import loaded
from nbkit.errors import EngineError
from tests.tiny_pipeline import LIBRARIES_WARN, needs_diffusers, save_pipeline

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [needs_diffusers, *LIBRARIES_WARN]

# Every attempt to reach another machine, or to look one up, ends the process.
OFFLINE = """
import os, sys
from pathlib import Path

def guard(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        sys.stderr.write(f"{event} {arguments}")
        sys.stderr.flush()
        os._exit(9)

sys.addaudithook(guard)
from nbkit.engines.diffusion import Wish, draw, loaded
with loaded(Path(sys.argv[1]), say=print) as pipeline:
    drawing = draw(pipeline, Wish(prompt="a cat", seed=1, steps=2), on_step=lambda *_: None, previews=True)
    print(drawing.image.size)
if len(sys.argv) > 2:
    import socket
    socket.create_connection(("127.0.0.1", 9))
"""
# The memory that the process may have is what it has now and a little more.
SHORT_OF_MEMORY = """
import resource, sys
from pathlib import Path
from nbkit.engines.diffusion import Wish, draw, loaded
from nbkit.engines.diffusion.pipelines import _kept
from nbkit.errors import OutOfMemory

with loaded(Path(sys.argv[1]), say=print) as pipeline:
    draw(pipeline, Wish(prompt="a", seed=1, steps=1), on_step=lambda *_: None)
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**27, -1))
try:
    with loaded(Path(sys.argv[1]), say=print) as pipeline:
        draw(pipeline, Wish(prompt="a", seed=1, steps=1, size=(2048, 2048)), on_step=lambda *_: None)
except OutOfMemory as error:
    print(error, len(_kept))
"""


def _lines(path: Path) -> list[str]:
    """What is said while a pipeline is loaded."""
    said: list[str] = []
    with loaded(path, say=said.append):
        return said


def _refusal(path: Path) -> str:
    with pytest.raises(EngineError) as caught, loaded(path, say=print):
        pass
    assert caught.value.field == "model"
    (said,) = caught.value.args
    assert "\n" not in said
    return str(said)


def _change(path: Path, **changes: Any) -> Path:
    index = json.loads((path / "model_index.json").read_text())
    (path / "model_index.json").write_text(json.dumps(index | changes))
    return path


def test_a_pipeline_stays_loaded_until_another_is_asked_for(tiny: Path, own_tiny: Path) -> None:
    """Or until its files change; what was loaded before is let go first."""
    import gc

    from diffusers import StableDiffusionPipeline

    _lines(own_tiny)
    (first,) = _lines(tiny)
    (again,) = _lines(tiny)
    (other,) = _lines(own_tiny)
    os.utime(own_tiny / "unet" / "diffusion_pytorch_model.safetensors", (1, 1))
    (changed,) = _lines(own_tiny)

    assert first.startswith("StableDiffusionPipeline loaded on cpu as torch.float32 in")
    assert again == "StableDiffusionPipeline is still loaded on cpu"
    assert " loaded on cpu as " in other
    assert " loaded on cpu as " in changed
    gc.collect()
    assert sum(type(one) is StableDiffusionPipeline for one in gc.get_objects()) == 1


def test_it_works_without_a_network(tiny: Path) -> None:
    """Nothing is looked up, asked or told, from the import to the picture."""
    quiet, loud = (
        subprocess.run(
            [sys.executable, "-c", OFFLINE, str(tiny), *more], capture_output=True, text=True, check=False
        )
        for more in ([], ["and connect"])
    )

    assert (quiet.returncode, quiet.stderr) == (0, "")
    assert quiet.stdout.endswith("(128, 128)\n")
    assert loud.returncode == 9, "the guard sees connections"


@pytest.mark.skipif(sys.platform != "linux", reason="the size of a process is read and bounded as on Linux")
def test_too_little_memory_is_said_and_frees_what_is_kept(tiny: Path) -> None:
    """The process lives on, without the pipeline."""
    run = subprocess.run(
        [sys.executable, "-c", SHORT_OF_MEMORY, str(tiny)], capture_output=True, text=True, check=True
    )

    assert "there is not enough memory on cpu for this picture\n  → take a smaller image_size 0" in run.stdout


def test_pickled_weights_are_loaded_once_they_are_converted(tmp_path: Path) -> None:
    """In the way that the refusal tells."""
    from diffusers import DiffusionPipeline

    pickled = save_pipeline(tmp_path / "pickled", safe_serialization=False)
    assert "holds pickled weights" in _refusal(pickled)

    DiffusionPipeline.from_pretrained(pickled).save_pretrained(tmp_path / "new")
    assert " loaded on cpu " in _lines(tmp_path / "new")[0]


def test_weights_in_half_precision_alone_are_found(tmp_path: Path) -> None:
    """They are computed with as the device needs it."""
    folder = save_pipeline(tmp_path / "half", variant="fp16")
    assert list(folder.glob("unet/*.fp16.safetensors"))

    assert " loaded on cpu as torch.float32 " in _lines(folder)[0]


@pytest.mark.parametrize("kept", [0, 7, 5000, -1])
def test_a_damaged_file_is_named(own_tiny: Path, kept: int) -> None:
    """However much of it is left; a file of Git LFS, which only points to the weights, is as bad."""
    weights = own_tiny / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:kept])

    assert "own/unet/diffusion_pytorch_model.safetensors is damaged" in _refusal(own_tiny)


def test_what_makes_no_pictures_of_prompts_is_refused(own_tiny: Path) -> None:
    """The class is named."""
    assert "holds a DDPMPipeline that cannot be loaded" in _refusal(
        _change(own_tiny, _class_name="DDPMPipeline")
    )
    assert "holds a Nonsense that cannot be loaded" in _refusal(_change(own_tiny, _class_name="Nonsense"))


def test_only_parts_of_pipelines_are_loaded(own_tiny: Path) -> None:
    """A folder can name anything that is installed."""
    assert "asks for shutil.rmtree as its unet" in _refusal(_change(own_tiny, unet=["shutil", "rmtree"]))
    assert "cannot be loaded" in _refusal(_change(own_tiny, unet=["transformers", "Trainer"]))
    assert "cannot be loaded" in _refusal(_change(own_tiny, unet=["diffusers", "no_such"]))


def test_a_part_that_is_not_there_is_told(own_tiny: Path) -> None:
    """As it is by a copy that was broken off."""
    shutil.rmtree(own_tiny / "vae")

    assert "own holds a StableDiffusionPipeline that cannot be loaded" in _refusal(own_tiny)


def test_a_file_of_settings_that_is_broken_is_told(own_tiny: Path) -> None:
    """Whatever the library says of it, in one line."""
    (own_tiny / "unet" / "config.json").write_text("{")

    assert "own holds a StableDiffusionPipeline that cannot be loaded" in _refusal(own_tiny)
