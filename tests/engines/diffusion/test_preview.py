from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from nbkit.engines.diffusion.libraries import libraries
from nbkit.engines.diffusion.preview import fit
from tests.tiny_pipeline import LIBRARIES_WARN, needs_diffusers

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image

pytestmark = [needs_diffusers, *LIBRARIES_WARN]


@pytest.fixture
def mixing() -> Any:
    """An autoencoder whose latents are colours, mixed by a straight line: what a real one is nearly."""
    import torch
    from diffusers import AutoencoderKL

    class Mixing(AutoencoderKL):  # type: ignore[misc] # the library publishes no types
        def encode(self, picture: Any) -> Any:
            small = torch.nn.functional.interpolate(picture, scale_factor=1 / 8, mode="area")
            mixed = torch.einsum("lc,ncrk->nlrk", mix, small) + 0.25
            return SimpleNamespace(latent_dist=SimpleNamespace(mode=lambda: mixed))

    mix = torch.tensor([[0.5, 0.2, 0.1], [-0.3, 0.6, 0.1], [0.1, -0.2, 0.7], [0.2, 0.2, -0.4]])
    return Mixing(block_out_channels=(32,), scaling_factor=0.5, shift_factor=0.1)


def test_latents_are_shown_in_their_colours(mixing: Any, photograph: Callable[[str], Image.Image]) -> None:
    """A photograph that was encoded is recognised, eight times as large as its latents."""
    import torch

    photo = photograph("astronaut").resize((256, 128))
    values = torch.from_numpy(np.array(photo)).permute(2, 0, 1)[None] / 127.5 - 1
    latents = (mixing.encode(values).latent_dist.mode() - 0.1) * 0.5
    with libraries() as used:
        decoder = fit(used, mixing)
    assert decoder
    shown = decoder.picture(latents)
    assert shown

    assert shown.size == (256, 128)
    blurred = np.asarray(photo.resize((32, 16), 4), np.int16)
    assert np.abs(np.asarray(shown.resize((32, 16), 4), np.int16) - blurred).mean() < 6


def test_latents_that_are_no_picture_are_not_shown(mixing: Any) -> None:
    """Some models pack theirs in rows; noise and values that are no numbers do no harm."""
    import torch

    with libraries() as used:
        assert fit(used, None) is None
        decoder = fit(used, mixing)
    assert decoder

    assert decoder.picture(torch.zeros(1, 64, 15)) is None
    assert decoder.picture(torch.zeros(1, 63, 16), (128, 128)) is None
    assert decoder.picture(torch.zeros(1, 16, 8, 8)) is None
    broken = decoder.picture(torch.full((1, 4, 8, 8), float("nan")))
    assert broken
    assert broken.size == (64, 64)


def test_packed_latents_are_shown_as_the_plain_ones(mixing: Any) -> None:
    """FLUX packs four that lie in a square into one."""
    import torch
    from diffusers import FluxPipeline

    plain = torch.rand(1, 4, 16, 32)
    packed = FluxPipeline._pack_latents(plain, 1, 4, 16, 32)
    square = FluxPipeline._pack_latents(plain[..., :16], 1, 4, 16, 16)
    with libraries() as used:
        decoder = fit(used, mixing)
    assert decoder

    assert decoder.picture(packed, (256, 128)) == decoder.picture(plain)
    assert decoder.picture(square) == decoder.picture(plain[..., :16])


def test_measuring_leaves_the_autoencoder_as_it_was(mixing: Any) -> None:
    """Its precision is what the device computes fast in."""
    import torch

    half = mixing.half()
    with libraries() as used:
        fit(used, half)

    assert half.dtype == torch.float16
