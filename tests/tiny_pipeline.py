"""Pipelines in diffusers' format with random weights, small enough to be made and run by a test."""

from __future__ import annotations

import importlib.util
import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = ("torch", "diffusers", "transformers")
INSTALLED = all(importlib.util.find_spec(name) for name in PACKAGES)
needs_diffusers = pytest.mark.skipif(
    not INSTALLED, reason=f"{', '.join(PACKAGES)} are not all installed: `make test-diffusers` runs this"
)
LIBRARIES_WARN = [
    pytest.mark.filterwarnings(f"ignore::{kind}") for kind in ("DeprecationWarning", "FutureWarning")
]
SIDE = 128  # pixels that the tiny pipeline draws by itself


def write_index(folder: Path, **changes: Any) -> Path:
    """A folder that says it is a pipeline, with nothing in its parts."""
    index = {
        "_class_name": "StableDiffusionPipeline",
        "_diffusers_version": "0.42.1",
        "scheduler": ["diffusers", "DDIMScheduler"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "safety_checker": [None, None],
    }
    (folder / "unet").mkdir(parents=True)
    (folder / "model_index.json").write_text(json.dumps(index | changes))
    return folder


def save_pipeline(folder: Path, seed: int = 0, **options: Any) -> Path:
    """A pipeline of the kind of Stable Diffusion, 9 MB large, which draws noise.

    Args:
        folder: Where to save it.
        seed: Draws its weights.
        **options: How to save it, as `save_pretrained` takes them.
    """
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(seed)
    unet = UNet2DConditionModel(
        sample_size=SIDE // 8,
        block_out_channels=(32, 64),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=32,
    )
    autoencoder = AutoencoderKL(
        block_out_channels=(32, 64, 64, 64),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
    )
    reader = CLIPTextConfig(
        vocab_size=54,
        bos_token_id=52,
        eos_token_id=53,
        pad_token_id=53,
        hidden_size=32,
        intermediate_size=37,
        num_attention_heads=4,
        num_hidden_layers=2,
    )
    pipeline = StableDiffusionPipeline(
        vae=autoencoder,
        text_encoder=CLIPTextModel(reader),
        tokenizer=_tokenizer(folder.parent / f"{folder.name}-letters"),
        unet=unet,
        scheduler=DDIMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            clip_sample=False,
            set_alpha_to_one=False,
            steps_offset=1,
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder, **options)
    return folder


def save_flux(folder: Path) -> Path:
    """One of the kind of FLUX, whose latents are packed, and whose scheduler lets them flow."""
    import torch
    from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
    from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

    torch.manual_seed(0)
    reader = CLIPTextConfig(
        vocab_size=54,
        eos_token_id=53,
        hidden_size=32,
        intermediate_size=37,
        num_attention_heads=4,
        num_hidden_layers=2,
    )
    pipeline = FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        text_encoder=CLIPTextModel(reader),
        tokenizer=_tokenizer(folder.parent / f"{folder.name}-letters"),
        text_encoder_2=T5EncoderModel(
            T5Config(d_model=32, d_kv=8, d_ff=37, num_heads=4, num_layers=1, vocab_size=54)
        ),
        tokenizer_2=_tokenizer(folder.parent / f"{folder.name}-more-letters"),
        vae=AutoencoderKL(
            block_out_channels=(32, 64, 64, 64),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            latent_channels=4,
            shift_factor=0.06,
            scaling_factor=1.5,
        ),
        transformer=FluxTransformer2DModel(
            patch_size=1,
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=32,
            pooled_projection_dim=32,
            axes_dims_rope=(4, 4, 8),
        ),
    )
    pipeline.save_pretrained(folder)
    return folder


def _tokenizer(folder: Path) -> Any:
    """One that knows the letters of English."""
    from transformers import CLIPTokenizer

    folder.mkdir(parents=True)
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=77)
