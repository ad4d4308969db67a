"""The functions behind the endpoints: from the input's words to an engine's, and back.

Each takes an input that is valid and complete, and a `Job`, and gives the output. It may give more than an
endpoint documents: the catalogue's output schema decides what the caller sees.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any

from nbkit.engines.diffusion import BLOCK
from nbkit.server.fields import IMAGE_SIZES, MAX_SIDE, MIN_SIDE

if TYPE_CHECKING:
    from PIL import Image

    from nbkit.server.job import Job

Values = dict[str, Any]

_SEED_BITS = 31
_ENGINE_SEEDS = 2**32


def warm_up() -> None:
    """Load what every model needs, so that the first request does not wait for it."""
    import httpx

    from nbkit.engines.collage import compose

    del httpx
    compose("a cat", width=MIN_SIDE, height=MIN_SIDE)


def text_to_image(given: Values, job: Job) -> Values:
    """Compose pictures for a prompt from sprites (`local/collage` and its stand-ins)."""
    return _compose(given, job, _size(given.get("image_size")))


def image_to_image(given: Values, job: Job) -> Values:
    """Compose a picture for a prompt and blend it over the one given."""
    start = job.load_image(given["image_url"]).convert("RGB")
    size = _size(given.get("image_size")) if "image_size" in given else _bounded(start.size)
    return _compose(given, job, size, start.resize(size))


def upscale(given: Values, job: Job) -> Values:
    """Enlarge a picture (`local/upscale` and its stand-in)."""
    from nbkit.engines.upscale import upscale as enlarge

    picture = job.load_image(given["image_url"])
    began = time.perf_counter()
    result = enlarge(picture, given["upscale_factor"], on_progress=lambda done: job.progress(done, "tiles"))
    seconds = time.perf_counter() - began
    job.log(f"{result.method}: {picture.width}×{picture.height} → {result.image.width}×{result.image.height}")
    return {
        "image": _saved(result.image, job, "upscaled", given),
        "seed": _seed(given),
        "timings": {"inference": round(seconds, 4)},
        "caption": "",
        "method": result.method,
    }


def cut_out(given: Values, job: Job) -> Values:
    """Remove a picture's background (`local/remove-background` and its stand-in)."""
    from nbkit.engines.matting import remove_background

    picture = job.load_image(given["image_url"])
    began = time.perf_counter()
    cutout = remove_background(picture)
    if given.get("crop_to_bbox") and (box := cutout.getchannel("A").getbbox()):
        cutout = cutout.crop(box)
    seconds = time.perf_counter() - began
    return {"image": _saved(cutout, job, "cutout", given), "timings": {"inference": round(seconds, 4)}}


def diffuse(given: Values, job: Job) -> Values:
    """Draw with a pipeline of the user's own (`local/diffusers`)."""
    from nbkit.engines.diffusion import Wish, draw, loaded

    folder = job.find_model(given["model"])
    start = job.load_image(given["image_url"]).convert("RGB") if "image_url" in given else None
    seed, total = _seed(given), int(given["num_images"])
    images, flags = [], []
    with loaded(folder, say=job.log) as pipeline:
        began = time.perf_counter()
        for index in range(total):

            def show(fraction: float, stage: str, picture: Image.Image | None, done: int = index) -> None:
                job.progress((done + fraction) / total, stage, picture)

            wish = Wish(
                prompt=given["prompt"],
                negative_prompt=given["negative_prompt"],
                seed=seed + index,
                size=_size_in_blocks(given, start),
                start=start,
                strength=given["strength"],
                steps=given.get("num_inference_steps"),
                guidance=given.get("guidance_scale"),
                scheduler=given["scheduler"],
            )
            drawing = draw(pipeline, wish, on_step=show, previews=job.previews)
            facts = {
                "Description": given["prompt"],
                "Software": f"nbkit {job.endpoint} ({pipeline.name} of {folder.name})",
                "Seed": str(wish.seed),
            }
            inline = bool(given.get("sync_mode"))
            images.append(
                job.save_image(
                    drawing.image, name="drawing", kind=given["format"], inline=inline, facts=facts
                )
            )
            flags.append(drawing.unsafe)
        seconds = time.perf_counter() - began
    if drawing.unused:
        job.log(f"a {pipeline.name} has no {', '.join(drawing.unused)}: not used", "WARN")
    return {
        "images": images,
        "seed": seed,
        "timings": {"inference": round(seconds, 4)},
        "prompt": given["prompt"],
        "has_nsfw_concepts": flags,
        "pipeline": pipeline.name,
        "device": pipeline.device,
    }


def sticker(given: Values, job: Job) -> Values:
    """Make a sticker of a picture (`local/sticker`)."""
    began = time.perf_counter()
    made = _sticker(given, job, None)
    seconds = time.perf_counter() - began
    return {"image": _saved(made, job, "sticker", given), "timings": {"inference": round(seconds, 4)}}


def face_to_sticker(given: Values, job: Job) -> Values:
    """Make a sticker of a picture, on nothing and on white (the stand-in for `fal-ai/face-to-sticker`)."""
    from PIL import Image

    width, height = _size(given["image_size"])
    if given.get("upscale"):
        width, height = 2 * width, 2 * height
    made = _sticker(given, job, min(width, height))
    canvas = Image.new("RGBA", (width, height))
    canvas.alpha_composite(made, ((width - made.width) // 2, (height - made.height) // 2))
    on_white = Image.alpha_composite(Image.new("RGBA", canvas.size, "white"), canvas).convert("RGB")
    cut, plain = _saved(canvas, job, "sticker", given), _saved(on_white, job, "sticker-on-white", given)
    return {
        "images": [plain, cut],
        "sticker_image": plain,
        "sticker_image_background_removed": cut,
        "seed": _seed(given),
        "has_nsfw_concepts": {"sticker_image": False, "sticker_image_background_removed": False},
    }


def _compose(given: Values, job: Job, size: tuple[int, int], start: Image.Image | None = None) -> Values:
    from PIL import Image

    from nbkit.engines.collage import compose

    seed, number = _seed(given), int(given["num_images"])
    strength = given.get("strength", 1)
    images, matched, unmatched = [], [], []
    began = time.perf_counter()
    for index in range(number):

        def show(stage: str, fraction: float, picture: Image.Image | None = None, done: int = index) -> None:
            job.progress((done + fraction) / number, stage, picture)

        collage = compose(
            given["prompt"],
            width=size[0],
            height=size[1],
            seed=(seed + index) % _ENGINE_SEEDS,
            negative_prompt=given.get("negative_prompt", ""),
            on_stage=show,
        )
        picture = Image.blend(start, collage.image, strength) if start else collage.image
        kind = given.get("format") or given.get("output_format") or "png"
        facts = {
            "Description": given["prompt"],
            "Copyright": collage.attribution,
            "Software": "nbkit local/collage (not generative)",
            "Seed": str(seed + index),
        }
        inline = bool(given.get("sync_mode"))
        images.append(job.save_image(picture, name="collage", kind=kind, inline=inline, facts=facts))
        matched, unmatched = list(collage.matched), list(collage.unmatched)
    job.log(f"in the picture: {', '.join(map(str, matched)) or 'only scenery'}")
    if unmatched:
        job.log(f"no sprite for: {', '.join(map(str, unmatched))}", "WARN")
    return {
        "images": images,
        "timings": {"inference": round(time.perf_counter() - began, 4)},
        "seed": seed,
        "has_nsfw_concepts": [False] * number,
        "prompt": given["prompt"],
        "matched": matched,
        "unmatched": unmatched,
        "engine": "collage",
    }


def _sticker(given: Values, job: Job, size: int | None) -> Image.Image:
    from nbkit.engines.matting import remove_background
    from nbkit.engines.sticker import make_sticker

    picture = job.load_image(given["image_url"]).convert("RGBA")
    job.progress(0.1, "loaded", picture)
    opaque = picture.getchannel("A").getextrema()[0] == 255  # noqa: PLR2004 - a byte's largest value
    if opaque:
        picture = remove_background(picture)
        job.progress(0.7, "cut out", picture)
    return make_sticker(picture, size=size)


def _saved(picture: Image.Image, job: Job, name: str, given: Values) -> Values:
    facts = {"Software": f"nbkit {job.endpoint}"}
    return job.save_image(picture, name=name, inline=bool(given.get("sync_mode")), facts=facts)


def _seed(given: Values) -> int:
    seed = given.get("seed")
    return secrets.randbits(_SEED_BITS) if seed is None else int(seed)


def _size(asked: Any) -> tuple[int, int]:
    if isinstance(asked, str):
        return IMAGE_SIZES[asked]
    asked = asked or {}
    return int(asked.get("width", 512)), int(asked.get("height", 512))


def _size_in_blocks(given: Values, start: Image.Image | None) -> tuple[int, int] | None:
    """The size that is asked for, else about that of the picture to start from, else none."""
    if "image_size" in given:
        return _size(given["image_size"])
    if start is None:
        return None
    width, height = (BLOCK * round(side / BLOCK) for side in _bounded(start.size))
    return width, height


def _bounded(size: tuple[int, int]) -> tuple[int, int]:
    """The nearest size to one that may be drawn, in about the same proportion."""
    scale = min(1.0, MAX_SIDE / max(size))
    width, height = (max(MIN_SIDE, round(side * scale)) for side in size)
    return width, height
