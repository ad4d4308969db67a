"""Parts that the JSON Schemas of several endpoints share, as fal writes them."""

from __future__ import annotations

from typing import Any

from nbkit.model.file_schema import IMAGE as IMAGE  # noqa: PLC0414 - one of the parts

Schema = dict[str, Any]

IMAGE_SIZES = {
    "square_hd": (1024, 1024),
    "square": (512, 512),
    "portrait_4_3": (768, 1024),
    "portrait_16_9": (576, 1024),
    "landscape_4_3": (1024, 768),
    "landscape_16_9": (1024, 576),
}
MIN_SIDE = 64
MAX_SIDE = 2048
MAX_PROMPT = 20_000  # characters; what is longer was pasted by mistake
MAX_SEED = 2**63 - 1


def text(title: str, description: str, *, longest: int = MAX_PROMPT, **facts: Any) -> Schema:
    """A string."""
    return {"type": "string", "title": title, "description": description, "maxLength": longest, **facts}


def number(title: str, description: str, low: float, high: float, default: float) -> Schema:
    """A number between two bounds."""
    return {
        "type": "number",
        "title": title,
        "description": description,
        "minimum": low,
        "maximum": high,
        "default": default,
    }


def count(title: str, description: str, low: int, high: int, default: int) -> Schema:
    """A whole number between two bounds."""
    return number(title, description, low, high, default) | {"type": "integer"}


def switch(title: str, description: str, *, default: bool) -> Schema:
    """A yes or no."""
    return {"type": "boolean", "title": title, "description": description, "default": default}


def choice(title: str, description: str, values: list[str], default: str) -> Schema:
    """One of a few words."""
    return {"type": "string", "title": title, "description": description, "enum": values, "default": default}


def prompt(*, examples: list[str]) -> Schema:
    """The prompt."""
    return text("Prompt", "What to show. Any length up to 20,000 characters.", examples=examples)


def image_url(description: str = "The picture: an address, or a data URI.") -> Schema:
    """A picture that goes in."""
    return {
        "type": "string",
        "title": "Image URL",
        "description": description,
        "minLength": 1,
        "ui": {"field": "image", "important": True},
        "x-fal": {"max_file_size": 50 * 2**20},
    }


def image_size(default: str) -> Schema:
    """Width and height: a name, or both numbers."""
    side = {"type": "integer", "minimum": MIN_SIDE, "maximum": MAX_SIDE}
    return {
        "title": "Image Size",
        "description": "The size of the picture.",
        "anyOf": [
            {
                "type": "object",
                "title": "ImageSize",
                "properties": {
                    "width": {**side, "title": "Width", "default": 512},
                    "height": {**side, "title": "Height", "default": 512},
                },
                "x-fal-order-properties": ["width", "height"],
            },
            {"type": "string", "enum": list(IMAGE_SIZES)},
        ],
        "default": default,
    }


SEED: Schema = {
    "type": "integer",
    "title": "Seed",
    "description": "The same seed and input give the same output. Drawn at random where it is left out.",
    "minimum": 0,
    "maximum": MAX_SEED,
    "nullable": True,
}
SYNC_MODE = switch("Sync Mode", "Give pictures as data URIs instead of addresses.", default=False)
SAFETY = switch("Enable Safety Checker", "Accepted; the local models make nothing unsafe.", default=True)
NEGATIVE = text("Negative Prompt", "What to leave out.", default="")
NOT_USED = "Accepted and checked; the local model does not use it."

IMAGES: Schema = {"type": "array", "title": "Images", "description": "The pictures.", "items": IMAGE}
USED_SEED: Schema = {"type": "integer", "title": "Seed", "description": "The seed that was used."}
TIMINGS: Schema = {
    "type": "object",
    "title": "Timings",
    "description": "Seconds by phase.",
    "additionalProperties": {"type": "number"},
}
NSFW_FLAGS: Schema = {
    "type": "array",
    "title": "Has NSFW Concepts",
    "description": "One flag for each picture.",
    "items": {"type": "boolean"},
}
USED_PROMPT: Schema = {"type": "string", "title": "Prompt", "description": "The prompt that was used."}
WORDS: Schema = {"type": "array", "items": {"type": "string"}}


def record(title: str, required: list[str], **properties: Schema) -> Schema:
    """An object whose properties keep their order."""
    return {
        "type": "object",
        "title": title,
        "properties": properties,
        "required": required,
        "x-fal-order-properties": list(properties),
    }
