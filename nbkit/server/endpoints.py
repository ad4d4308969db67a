"""The endpoints of a fresh server: nbkit's own, and stand-ins for endpoints of fal.

A stand-in takes and gives what fal's model page of that endpoint documents, and a local model computes it. None of
them is generative: `local/collage` composes pictures from OpenMoji sprites that it finds in the prompt.
"""

from __future__ import annotations

from dataclasses import replace

from nbkit.server import fields
from nbkit.server.catalogue import Catalogue, Entry
from nbkit.server.fields import (
    IMAGE,
    IMAGES,
    NEGATIVE,
    NOT_USED,
    NSFW_FLAGS,
    SAFETY,
    SEED,
    SYNC_MODE,
    TIMINGS,
    USED_PROMPT,
    USED_SEED,
    WORDS,
    count,
    number,
    record,
    switch,
)
from nbkit.server.own_weights import DIFFUSERS
from nbkit.wire.fal.graph import read_graph

_MODELS = "nbkit.server.models"
_PROMPT = fields.prompt(examples=["a cat and a red balloon on a beach at sunset"])
_STEPS = "Num Inference Steps"

COLLAGE = Entry(
    id="local/collage",
    title="Collage",
    description="Composes a picture from OpenMoji sprites for the things named in the prompt. Not generative.",
    category="text-to-image",
    model=f"{_MODELS}:text_to_image",
    input=record(
        "CollageInput",
        ["prompt"],
        prompt=_PROMPT,
        negative_prompt=NEGATIVE,
        image_size=fields.image_size("square"),
        num_images=count("Num Images", "How many pictures.", 1, 8, 1),
        seed=SEED,
        sync_mode=SYNC_MODE,
        format=fields.choice("Format", "File format.", ["png", "jpeg"], "png"),
    ),
    output=record(
        "CollageOutput",
        ["images", "seed"],
        images=IMAGES,
        seed=USED_SEED,
        timings=TIMINGS,
        prompt=USED_PROMPT,
        matched={**WORDS, "title": "Matched", "description": "Words of the prompt that are in the picture."},
        unmatched={**WORDS, "title": "Unmatched", "description": "Words that it has no sprite for."},
        engine={"type": "string", "title": "Engine", "description": "What made the picture."},
    ),
)

UPSCALE = Entry(
    id="local/upscale",
    title="Upscale",
    description="Enlarges a picture with the SPAN super-resolution network, on the CPU.",
    category="image-to-image",
    model=f"{_MODELS}:upscale",
    input=record(
        "UpscaleInput",
        ["image_url"],
        image_url=fields.image_url("The picture to enlarge: an address, or a data URI."),
        upscale_factor=number("Upscale Factor", "How many times larger.", 1, 4, 2),
        sync_mode=SYNC_MODE,
    ),
    output=record(
        "UpscaleOutput",
        ["image"],
        image=IMAGE,
        timings=TIMINGS,
        method={"type": "string", "title": "Method", "description": "What enlarged it."},
    ),
)

REMOVE_BACKGROUND = Entry(
    id="local/remove-background",
    title="Remove background",
    description="Cuts out what is in front with the U²-Net p network, on the CPU.",
    category="image-to-image",
    model=f"{_MODELS}:cut_out",
    input=record(
        "RemoveBackgroundInput",
        ["image_url"],
        image_url=fields.image_url("The picture to cut out: an address, or a data URI."),
        crop_to_bbox=switch("Crop to Bbox", "Crop to what is left.", default=False),
        sync_mode=SYNC_MODE,
    ),
    output=record("RemoveBackgroundOutput", ["image"], image=IMAGE, timings=TIMINGS),
)

STICKER = Entry(
    id="local/sticker",
    title="Sticker",
    description="Makes a die-cut sticker of a picture: cut out, white outline, soft shadow.",
    category="image-to-image",
    model=f"{_MODELS}:sticker",
    input=record(
        "StickerInput",
        ["image_url"],
        image_url=fields.image_url("The picture, or a cutout with a transparent background."),
        sync_mode=SYNC_MODE,
    ),
    output=record("StickerOutput", ["image"], image=IMAGE, timings=TIMINGS),
)

FAST_SDXL = Entry(
    id="fal-ai/fast-sdxl",
    title="Stable Diffusion XL (stand-in)",
    description="Takes and gives what fal-ai/fast-sdxl does; local/collage makes the pictures.",
    category="text-to-image",
    model=COLLAGE.model,
    stand_in=COLLAGE.id,
    input=record(
        "FastSdxlInput",
        ["prompt"],
        prompt=_PROMPT,
        negative_prompt=NEGATIVE,
        image_size=fields.image_size("square_hd"),
        num_inference_steps=count(_STEPS, NOT_USED, 1, 65, 25),
        seed=SEED,
        guidance_scale=number("Guidance Scale", NOT_USED, 0, 20, 7.5),
        sync_mode=SYNC_MODE,
        num_images=count("Num Images", "How many pictures.", 1, 8, 1),
        enable_safety_checker=SAFETY,
        expand_prompt=switch("Expand Prompt", NOT_USED, default=False),
        format=fields.choice("Format", "File format.", ["jpeg", "png"], "jpeg"),
    ),
    output=record(
        "FastSdxlOutput",
        ["images", "timings", "seed", "has_nsfw_concepts", "prompt"],
        images=IMAGES,
        timings=TIMINGS,
        seed=USED_SEED,
        has_nsfw_concepts=NSFW_FLAGS,
        prompt=USED_PROMPT,
    ),
)

FAST_SDXL_EDIT = replace(
    FAST_SDXL,
    id="fal-ai/fast-sdxl/image-to-image",
    title="Stable Diffusion XL, image to image (stand-in)",
    description="Takes and gives what fal-ai/fast-sdxl/image-to-image does; local/collage blends in its own picture.",
    category="image-to-image",
    model=f"{_MODELS}:image_to_image",
    input=record(
        "FastSdxlImageToImageInput",
        ["image_url", "prompt"],
        image_url=fields.image_url("The picture to start from: an address, or a data URI."),
        strength=number("Strength", "How far to go from it: 0 keeps it, 1 replaces it.", 0, 1, 0.95),
        **{
            **FAST_SDXL.input["properties"],
            "image_size": {
                **fields.image_size("square_hd"),
                "default": None,
                "nullable": True,
                "description": "The size of the picture; that of the picture given where it is left out.",
            },
        },
    ),
)

SCHNELL = Entry(
    id="fal-ai/flux/schnell",
    title="FLUX.1 schnell (stand-in)",
    description="Takes and gives what fal-ai/flux/schnell does; local/collage makes the pictures.",
    category="text-to-image",
    model=COLLAGE.model,
    stand_in=COLLAGE.id,
    input=record(
        "SchnellInput",
        ["prompt"],
        prompt=_PROMPT,
        image_size=fields.image_size("landscape_4_3"),
        num_inference_steps=count(_STEPS, NOT_USED, 1, 12, 4),
        seed=SEED,
        guidance_scale=number("Guidance Scale", NOT_USED, 1, 20, 3.5),
        sync_mode=SYNC_MODE,
        num_images=count("Num Images", "How many pictures.", 1, 4, 1),
        enable_safety_checker=SAFETY,
        output_format=fields.choice("Output Format", "File format.", ["jpeg", "png"], "jpeg"),
        acceleration=fields.choice("Acceleration", NOT_USED, ["none", "regular", "high"], "none"),
    ),
    output={**FAST_SDXL.output, "title": "SchnellOutput"},
)

VISION_UPSCALER = Entry(
    id="fal-ai/flux-vision-upscaler",
    title="FLUX vision upscaler (stand-in)",
    description="Takes and gives what fal-ai/flux-vision-upscaler does; local/upscale enlarges the picture.",
    category="image-to-image",
    model=UPSCALE.model,
    stand_in=UPSCALE.id,
    input=record(
        "FluxVisionUpscalerInput",
        ["image_url"],
        image_url=fields.image_url("The picture to enlarge: an address, or a data URI."),
        upscale_factor=number("Upscale Factor", "How many times larger.", 1, 4, 2),
        seed=SEED,
        creativity=number("Creativity", NOT_USED, 0, 1, 0.3),
        guidance=number("Guidance", NOT_USED, 0, 20, 1),
        steps=count("Steps", NOT_USED, 4, 50, 20),
        enable_safety_checker=SAFETY,
    ),
    output=record(
        "FluxVisionUpscalerOutput",
        ["image", "seed", "timings", "caption"],
        image=IMAGE,
        seed=USED_SEED,
        timings=TIMINGS,
        caption={"type": "string", "title": "Caption", "description": "What is in the picture; empty here."},
    ),
)

REMBG = Entry(
    id="fal-ai/imageutils/rembg",
    title="Remove background (stand-in)",
    description="Takes and gives what fal-ai/imageutils/rembg does; local/remove-background computes it.",
    category="image-to-image",
    model=REMOVE_BACKGROUND.model,
    stand_in=REMOVE_BACKGROUND.id,
    input={**REMOVE_BACKGROUND.input, "title": "RembgInput"},
    output=record("RembgOutput", ["image"], image=IMAGE),
)

FACE_TO_STICKER = Entry(
    id="fal-ai/face-to-sticker",
    title="Face to sticker (stand-in)",
    description="Takes and gives what fal-ai/face-to-sticker does; local/sticker cuts the picture out as it is.",
    category="image-to-image",
    model=f"{_MODELS}:face_to_sticker",
    stand_in=STICKER.id,
    input=record(
        "FaceToStickerInput",
        ["prompt", "image_url"],
        image_url=fields.image_url("The picture: an address, or a data URI."),
        prompt=fields.text("Prompt", NOT_USED, examples=["a person"]),
        negative_prompt=fields.text("Negative Prompt", NOT_USED, default=""),
        image_size=fields.image_size("square_hd"),
        num_inference_steps=count(_STEPS, NOT_USED, 10, 40, 20),
        guidance_scale=number("Guidance Scale", NOT_USED, 0, 20, 4.5),
        instant_id_strength=number("Instant ID Strength", NOT_USED, 0, 1, 0.7),
        ip_adapter_weight=number("IP Adapter Weight", NOT_USED, 0, 1, 0.2),
        ip_adapter_noise=number("IP Adapter Noise", NOT_USED, 0, 1, 0.5),
        upscale=switch("Upscale", "Enlarge the sticker two times.", default=False),
        upscale_steps=count("Upscale Steps", NOT_USED, 1, 50, 10),
        seed=SEED,
        enable_safety_checker=SAFETY,
    ),
    output=record(
        "FaceToStickerOutput",
        ["images", "sticker_image", "sticker_image_background_removed", "seed", "has_nsfw_concepts"],
        images=IMAGES,
        sticker_image={**IMAGE, "description": "The sticker on white."},
        sticker_image_background_removed={**IMAGE, "description": "The sticker on nothing."},
        seed=USED_SEED,
        has_nsfw_concepts={
            "type": "object",
            "title": "Has NSFW Concepts",
            "description": "Picture → flag.",
            "additionalProperties": {"type": "boolean"},
        },
    ),
)

SDXL_STICKER = Entry(
    id="workflows/fal-ai/sdxl-sticker",
    title="SDXL sticker (stand-in)",
    description="Draws the prompt, removes the background and makes a sticker: three steps, all local.",
    category="text-to-image",
    stand_in=f"{COLLAGE.id}, {REMOVE_BACKGROUND.id}, {STICKER.id}",
    input=record("SdxlStickerInput", ["prompt"], prompt=_PROMPT, seed=SEED),
    output=record("SdxlStickerOutput", ["images"], images=IMAGES, image=IMAGE),
    graph=read_graph(
        {
            "name": "sdxl-sticker",
            "schema": {
                "input": {"required": ["prompt"], "properties": {"prompt": {}, "seed": {"default": None}}}
            },
            "nodes": {
                "stable_diffusion_xl": {
                    "type": "run",
                    "app": FAST_SDXL.id,
                    "depends": ["input"],
                    "input": {"prompt": "$input.prompt", "seed": "$input.seed", "format": "png"},
                },
                "rembg": {
                    "type": "run",
                    "app": REMBG.id,
                    "depends": ["stable_diffusion_xl"],
                    "input": {"image_url": "$stable_diffusion_xl.images.0.url"},
                },
                "face_to_sticker": {
                    "type": "run",
                    "app": FACE_TO_STICKER.id,
                    "depends": ["input", "rembg"],
                    "input": {
                        "prompt": "$input.prompt",
                        "image_url": "$rembg.image.url",
                        "seed": "$stable_diffusion_xl.seed",
                    },
                },
            },
            "output": {
                "images": "$face_to_sticker.images",
                "image": "$face_to_sticker.sticker_image_background_removed",
            },
        }
    ),
)


def own_endpoints() -> Catalogue:
    """The catalogue of a fresh server."""
    return Catalogue(
        [
            COLLAGE,
            UPSCALE,
            REMOVE_BACKGROUND,
            STICKER,
            DIFFUSERS,
            FAST_SDXL,
            FAST_SDXL_EDIT,
            SCHNELL,
            VISION_UPSCALER,
            REMBG,
            FACE_TO_STICKER,
            SDXL_STICKER,
        ]
    )
