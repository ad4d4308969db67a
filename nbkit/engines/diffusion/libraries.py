"""The libraries that run pipelines: loaded when they are needed, kept off the network, and left as they were."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from nbkit.engines import runtime
from nbkit.errors import MissingPackage, OutOfMemory

if TYPE_CHECKING:
    from collections.abc import Iterator

# The words of CUDA and MPS, of Linux and macOS, and of Windows.
_SIGNS = ("out of memory", "can't allocate memory", "not enough memory")


class Libraries(NamedTuple):
    """What a pipeline runs with."""

    torch: Any
    diffusers: Any


@contextlib.contextmanager
def libraries() -> Iterator[Libraries]:
    """Use the libraries without the network, without progress bars and on all cores of this process.

    What is set for that is set back, because a user's own function may use the same libraries in the same process.

    Raises:
        MissingPackage: One of them is not installed.
    """
    # Threads that wait by spinning take the cores from each other: on a busy machine that is ten times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        import diffusers
        import huggingface_hub
        import torch
        import transformers
    except ImportError as error:
        raise MissingPackage(
            f"a user's own weights need torch, diffusers and transformers ({error})",
            hint="pip install 'nbkit-media[diffusers]'",
        ) from error
    constants, threads = huggingface_hub.constants, torch.get_num_threads()
    offline = constants.HF_HUB_OFFLINE
    loggings = (diffusers.utils.logging, transformers.utils.logging)
    said = transformers.utils.logging.get_verbosity()
    bars = [logging for logging in loggings if logging.is_progress_bar_enabled()]
    constants.HF_HUB_OFFLINE = True
    transformers.utils.logging.set_verbosity_error()  # it warns of what it has not got and does not need
    torch.set_num_threads(runtime.cores())
    for logging in bars:
        logging.disable_progress_bar()
    try:
        yield Libraries(torch, diffusers)
    finally:
        constants.HF_HUB_OFFLINE = offline
        transformers.utils.logging.set_verbosity(said)
        torch.set_num_threads(threads)
        for logging in bars:
            logging.enable_progress_bar()


@contextlib.contextmanager
def enough_memory(doing: str, hint: str = "") -> Iterator[None]:
    """Say in one way that the memory was not enough, which each device says in its own.

    Args:
        doing: What it was not enough for.
        hint: What may help.

    Raises:
        OutOfMemory: It was not enough.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        said = str(error).lower()
        if isinstance(error, RuntimeError) and not any(sign in said for sign in _SIGNS):
            raise
    else:
        return
    raise OutOfMemory(f"there is not enough memory {doing}", hint=hint)
