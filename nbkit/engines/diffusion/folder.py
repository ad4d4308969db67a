"""What a folder says about the pipeline in it, judged before any library loads it.

diffusers runs Python files that lie in the folder, where `model_index.json` names them, and unpickles weights. A folder
that asks for either is refused here.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbkit.errors import EngineError

if TYPE_CHECKING:
    from pathlib import Path

INDEX = "model_index.json"
_LARGEST_INDEX = 2**20  # bytes
_PICKLED = {".bin", ".pt", ".pth", ".ckpt", ".pkl"}
_VARIANT = re.compile(r"[^.]+\.([A-Za-z0-9_]+?)(-\d{5}-of-\d{5})?\.safetensors")


@dataclass(frozen=True)
class PipelineFolder:
    """A folder that holds a pipeline.

    Attributes:
        path: The folder.
        pipeline: The pipeline's class, as the folder names it.
        components: Name of each part → the library and the class that it names.
        weights: The files of weights, all safetensors.
        variant: The word in the names of weights that come in one precision only (`fp16`), an empty string for none.
        state: What changes when a file of it does.
    """

    path: Path
    pipeline: str
    components: dict[str, tuple[str, str]]
    weights: tuple[Path, ...]
    variant: str
    state: tuple[tuple[str, int, int], ...]


def read_folder(path: Path) -> PipelineFolder:
    """Look at a folder without loading anything.

    Raises:
        EngineError: It is no pipeline in diffusers' format, it would run code of its own, or its weights are pickled;
            `field` is "model".
    """
    try:
        index = _index(path)
        components = dict(_components(path, index))
        files = _files(path, components)
        state = tuple(
            (str(file.relative_to(path)), stat.st_size, stat.st_mtime_ns)
            for file, stat in ((file, file.stat()) for file in files)
        )
    except OSError as error:
        raise refused(f"{path.name} cannot be read: {error.strerror or error}") from error
    weights = tuple(file for file in files if file.suffix == ".safetensors")
    _refuse_pickles(path, components, files)
    return PipelineFolder(path, index["_class_name"], components, weights, _variant(weights), state)


def refused(message: str, hint: str = "") -> EngineError:
    """The error about a model that cannot be used."""
    return EngineError(message, field="model", hint=hint)


def _index(path: Path) -> dict[str, Any]:
    if path.is_file():
        raise refused(
            f"{path.name} is a single file; what runs here is a folder in diffusers' format, because a single file "
            "comes without its tokenizer and settings",
            "where there is a network: StableDiffusionPipeline.from_single_file(FILE).save_pretrained(FOLDER)",
        )
    if not path.is_dir():
        raise refused(f"there is no folder {path.name}")
    file = path / INDEX
    if not file.is_file():
        raise refused(f"{path.name} holds no diffusers pipeline: it has no {INDEX}")
    if file.stat().st_size > _LARGEST_INDEX:
        raise refused(f"{path.name}/{INDEX} is too large to be the index of a pipeline")
    try:
        index = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise refused(f"{path.name}/{INDEX} is not valid JSON") from error
    if not isinstance(index, dict) or "_class_name" not in index:
        raise refused(f"{path.name}/{INDEX} does not say which pipeline this is (_class_name)")
    if not isinstance(index["_class_name"], str):
        raise refused(f"{path.name} brings a pipeline class as Python code of its own, which is never run")
    return index


def _components(path: Path, index: dict[str, Any]) -> list[tuple[str, tuple[str, str]]]:
    found = []
    for name, value in index.items():
        if name.startswith("_") or not isinstance(value, list) or value == [None, None]:
            continue
        match value:
            case [str(library), str(kind)] if library.isidentifier() and name.isidentifier():
                found.append((name, (library, kind)))
            case _:
                raise refused(f"{path.name}/{INDEX} says of {name[:80]!r} what is no library and class")
        if (path / name / f"{library}.py").exists():
            raise refused(f"{path.name} brings its {name} as Python code of its own, which is never run")
    return found


def _files(path: Path, components: dict[str, tuple[str, str]]) -> list[Path]:
    folders = [path, *(path / name for name in components if (path / name).is_dir())]
    return sorted(file for folder in folders for file in folder.iterdir() if file.is_file())


def _refuse_pickles(path: Path, components: dict[str, tuple[str, str]], files: list[Path]) -> None:
    """See to it that each part that has weights has them as safetensors."""
    for name in components:
        inside = [file for file in files if file.parent == path / name]
        pickled = [file for file in inside if file.suffix in _PICKLED and file.stem != "training_args"]
        if pickled and not any(file.suffix == ".safetensors" for file in inside):
            raise refused(
                f"{pickled[0].relative_to(path.parent)} holds pickled weights, which can run code when loaded; "
                "only safetensors are loaded here",
                "convert them where you trust them: DiffusionPipeline.from_pretrained(FOLDER).save_pretrained(NEW)",
            )


def _variant(weights: tuple[Path, ...]) -> str:
    """The variant to ask for: that of a part that has no plain weights."""
    for folder in dict.fromkeys(file.parent for file in weights):
        found = [_VARIANT.fullmatch(file.name) for file in weights if file.parent == folder]
        words = [match[1] for match in found if match]
        if words and len(words) == len(found):
            return "fp16" if "fp16" in words else words[0]
    return ""
