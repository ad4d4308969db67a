from __future__ import annotations

import sys

import pytest

from nbkit.engines.diffusion.libraries import enough_memory, libraries
from nbkit.errors import MissingPackage, OutOfMemory
from tests.tiny_pipeline import PACKAGES, needs_diffusers


@pytest.mark.parametrize("package", PACKAGES)
def test_it_says_what_to_install(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever of the packages is missing."""
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackage, match=r"pip install 'nbkit-media\[diffusers\]'"), libraries():
        pass


@needs_diffusers
def test_what_is_set_is_set_back() -> None:
    """A user's own function in the same process may fetch what it likes, and shows its progress."""
    import huggingface_hub
    import torch
    import transformers

    def state() -> tuple[object, ...]:
        said = transformers.utils.logging
        offline = huggingface_hub.constants.is_offline_mode()
        return offline, torch.get_num_threads(), said.get_verbosity(), said.is_progress_bar_enabled()

    before = state()
    with libraries():
        assert huggingface_hub.constants.is_offline_mode()
        assert not transformers.utils.logging.is_progress_bar_enabled()
    assert state() == before


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB"),
        RuntimeError("MPS backend out of memory (MPS allocated: 18 GB)"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: not enough memory: you tried"),
    ],
)
def test_too_little_memory_is_told_in_one_way(error: Exception) -> None:
    """Each device has words of its own for it."""
    with pytest.raises(OutOfMemory, match="there is not enough memory for this"), enough_memory("for this"):
        raise error


def test_other_faults_stay_what_they_are() -> None:
    """Only memory is spoken of."""
    with pytest.raises(RuntimeError, match="shapes"), enough_memory("for this"):
        raise RuntimeError("shapes do not fit")
