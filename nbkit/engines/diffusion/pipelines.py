"""Pipelines in memory: one at a time, kept while the same folder is asked for."""

from __future__ import annotations

import contextlib
import gc
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nbkit.engines.diffusion.folder import PipelineFolder, read_folder, refused
from nbkit.engines.diffusion.libraries import Libraries, enough_memory, libraries
from nbkit.engines.diffusion.preview import Decoder, fit
from nbkit.errors import EngineError, OutOfMemory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

OWN_SCHEDULER = "default"
SCHEDULERS = {
    "ddim": "DDIMScheduler",
    "dpm++_2m": "DPMSolverMultistepScheduler",
    "euler": "EulerDiscreteScheduler",
    "euler_a": "EulerAncestralDiscreteScheduler",
    "unipc": "UniPCMultistepScheduler",
}

_kept: dict[tuple[Any, ...], Pipeline] = {}


@dataclass
class Pipeline:
    """A pipeline that is loaded.

    Attributes:
        libraries: What it runs with.
        from_text: diffusers' pipeline for text to image.
        device: Where it computes: `cuda`, `mps` or `cpu`.
    """

    libraries: Libraries
    from_text: Any
    device: str

    def __post_init__(self) -> None:
        self._own_scheduler = self.from_text.scheduler

    @property
    def name(self) -> str:
        """The class of the pipeline."""
        return type(self.from_text).__name__

    def prepared(self, *, from_image: bool, scheduler: str) -> Any:
        """The pipeline for one task, as diffusers makes it, with a scheduler.

        Args:
            from_image: Whether it starts from a picture.
            scheduler: A name in `SCHEDULERS`, or `OWN_SCHEDULER`.

        Raises:
            EngineError: It does not start from pictures (`field` is "image_url"), or the scheduler is not for
                such pipelines ("scheduler").
        """
        chosen = self._scheduler(scheduler)
        pipe = self._from_image if from_image else self.from_text
        pipe.set_progress_bar_config(disable=True)
        pipe.scheduler = chosen
        return pipe

    @cached_property
    def decoder(self) -> Decoder | None:
        """What shows a picture before it is done, None where such latents cannot be shown."""
        return fit(self.libraries, getattr(self.from_text, "vae", None))

    @cached_property
    def _from_image(self) -> Any:
        try:
            return self.libraries.diffusers.AutoPipelineForImage2Image.from_pipe(self.from_text)
        except ValueError as error:
            raise EngineError(f"a {self.name} starts from text only", field="image_url") from error

    def _scheduler(self, name: str) -> Any:
        if name == OWN_SCHEDULER:
            return self._own_scheduler
        kind = getattr(self.libraries.diffusers, SCHEDULERS[name])
        if kind not in self._own_scheduler.compatibles:
            own = type(self._own_scheduler).__name__
            raise EngineError(f"{name} is no scheduler for this model, which has {own}", field="scheduler")
        return kind.from_config(self._own_scheduler.config)


@contextlib.contextmanager
def loaded(path: Path, *, say: Callable[[str], None]) -> Iterator[Pipeline]:
    """Use a pipeline; it is loaded where it is not the one that was used last, or where its files have changed.

    Args:
        path: Its folder.
        say: Called with a line about what is loaded, and where.

    Raises:
        EngineError: There is no pipeline that could be loaded; `field` is "model".
        MissingPackage: What runs pipelines is not installed.
        OutOfMemory: There is not enough memory for it. Nothing stays loaded then.
    """
    folder = read_folder(path)
    with libraries() as used:
        key = (folder.path, folder.state)
        if key in _kept:
            say(f"{_kept[key].name} is still loaded on {_kept[key].device}")
        else:
            _forget(used)
            began = time.perf_counter()
            with enough_memory(f"to load {path.name}"):
                pipeline = _loaded(used, folder)
            say(
                f"{pipeline.name} loaded on {pipeline.device} as {pipeline.from_text.dtype} "
                f"in {time.perf_counter() - began:.1f} s"
            )
            _kept[key] = pipeline
        try:
            yield _kept[key]
        except OutOfMemory:
            _forget(used)
            raise


def _forget(used: Libraries) -> None:
    """Free the memory of the pipeline that is kept."""
    _kept.clear()
    gc.collect()
    if used.torch.cuda.is_available():
        used.torch.cuda.empty_cache()


def _loaded(used: Libraries, folder: PipelineFolder) -> Pipeline:
    for name, (library, kind) in folder.components.items():
        if library not in ("diffusers", "transformers") and not hasattr(used.diffusers.pipelines, library):
            raise refused(
                f"{folder.path.name} asks for {library}.{kind} as its {name}, which is not loaded here"
            )
    _check_weights(folder)
    device, precision = _device(used.torch)
    try:
        pipe = used.diffusers.AutoPipelineForText2Image.from_pretrained(
            folder.path,
            dtype=precision,
            local_files_only=True,
            use_safetensors=True,
            variant=folder.variant or None,
        )
        return Pipeline(used, pipe.to(device), device)
    except MemoryError:
        raise
    except Exception as error:
        raise refused(
            f"{folder.path.name} holds a {folder.pipeline} that cannot be loaded: {first_line(error)}"
        ) from error


def _check_weights(folder: PipelineFolder) -> None:
    """Find a damaged file by its head, so that it can be named."""
    import safetensors

    for file in folder.weights:
        try:
            with safetensors.safe_open(file, framework="pt"):
                pass
        except (safetensors.SafetensorError, OSError) as error:
            raise refused(
                f"{file.relative_to(folder.path.parent)} is damaged, or no safetensors file: {first_line(error)}"
            ) from error


def _device(torch: Any) -> tuple[str, Any]:
    """Where to compute, and in which precision."""
    if torch.cuda.is_available():
        return "cuda", torch.float16
    if torch.backends.mps.is_available():
        return "mps", torch.float16
    return "cpu", torch.float32


def first_line(error: BaseException) -> str:
    """What an error of a library says, in one line."""
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
