"""`local/diffusers`: the endpoint of a user's own weights."""

from __future__ import annotations

from typing import Any

from nbkit.engines.diffusion import BLOCK, OWN_SCHEDULER, SCHEDULERS
from nbkit.server import fields
from nbkit.server.catalogue import Entry
from nbkit.server.fields import count, number, record


def _image_size() -> dict[str, Any]:
    schema = fields.image_size("square")
    numbers = schema["anyOf"][0]
    sides = {name: {**side, "multipleOf": BLOCK} for name, side in numbers["properties"].items()}
    return {
        **schema,
        "anyOf": [{**numbers, "properties": sides}, *schema["anyOf"][1:]],
        "default": None,
        "nullable": True,
        "description": "Width and height in multiples of 8. Left out, they are those of the picture given, or "
        "what the model was trained for.",
    }


def _or_the_models_own(schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "default": None, "nullable": True}


DIFFUSERS = Entry(
    id="local/diffusers",
    title="Diffusers",
    description="Draws with weights of your own: a folder in diffusers' format on the server's disk, without the "
    "network. Needs nbkit-media[diffusers], and a folder that the server may read (nbkit serve --models-dir).",
    category="text-to-image",
    model="nbkit.server.models:diffuse",
    time_limit=3600,  # a large picture takes a CPU many minutes
    input=record(
        "DiffusersInput",
        ["model", "prompt"],
        model=fields.text(
            "Model",
            "The pipeline's folder, by its path, or by its place below a folder that the server may read.",
            longest=4096,
            minLength=1,
            examples=["/data/models/stable-diffusion-v1-5"],
        ),
        prompt=fields.prompt(examples=["a lighthouse in a storm, oil painting"]),
        negative_prompt=fields.NEGATIVE,
        image_url={
            **fields.image_url(
                "The picture to start from: an address, or a data URI. None: from the prompt alone."
            ),
            "nullable": True,
        },
        strength=number(
            "Strength", "How far to go from the picture given: 0 keeps it, 1 replaces it.", 0, 1, 0.8
        ),
        image_size=_image_size(),
        num_inference_steps=_or_the_models_own(
            count(
                "Num Inference Steps",
                "How many steps. The model's own number where it is left out.",
                1,
                200,
                25,
            )
        ),
        guidance_scale=_or_the_models_own(
            number(
                "Guidance Scale",
                "How closely to follow the prompt. The model's own where it is left out.",
                0,
                50,
                5,
            )
        ),
        scheduler=fields.choice(
            "Scheduler",
            "How the noise is taken away; default is the model's own way.",
            [OWN_SCHEDULER, *SCHEDULERS],
            OWN_SCHEDULER,
        ),
        num_images=count("Num Images", "How many pictures, made one after the other.", 1, 8, 1),
        seed=fields.SEED,
        sync_mode=fields.SYNC_MODE,
        format=fields.choice("Format", "File format.", ["png", "jpeg"], "png"),
    ),
    output=record(
        "DiffusersOutput",
        ["images", "seed"],
        images=fields.IMAGES,
        seed=fields.USED_SEED,
        timings=fields.TIMINGS,
        prompt=fields.USED_PROMPT,
        has_nsfw_concepts={
            **fields.NSFW_FLAGS,
            "description": "One flag for each picture that the model's own safety checker blackened.",
        },
        pipeline={"type": "string", "title": "Pipeline", "description": "The class of the pipeline."},
        device={
            "type": "string",
            "title": "Device",
            "description": "Where it was computed: cuda, mps or cpu.",
        },
    ),
)
