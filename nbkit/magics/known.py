"""The endpoints that answer on this machine without a key."""

from __future__ import annotations

DEFAULT_WITH_KEY = "fal-ai/flux/schnell"
DEFAULT_WITHOUT_KEY = "local/collage"

# Endpoint → what it does, and the weights it needs.
LOCAL: dict[str, tuple[str, tuple[str, ...]]] = {
    "local/collage": ("prompt → picture, composed from emoji sprites (not generative)", ()),
    "local/upscale": ("picture → larger picture", ("span-x2", "span-x4")),
    "local/remove-background": ("picture → cutout", ("u2netp",)),
    "local/sticker": ("picture → die-cut sticker", ("u2netp",)),
    "local/diffusers": ("prompt → picture, with weights of your own", ()),
}

# Endpoint of fal → what answers in its place where there is no key.
STAND_INS = {
    "fal-ai/flux/schnell": "local/collage",
    "fal-ai/fast-sdxl": "local/collage",
    "fal-ai/fast-sdxl/image-to-image": "local/collage",
    "fal-ai/flux-vision-upscaler": "local/upscale",
    "fal-ai/imageutils/rembg": "local/remove-background",
    "fal-ai/face-to-sticker": "local/sticker",
    "workflows/fal-ai/sdxl-sticker": "local/collage, local/remove-background, local/sticker",
}

ENDPOINTS = (*LOCAL, *STAND_INS)
