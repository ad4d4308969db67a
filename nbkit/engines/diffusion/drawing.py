"""One picture made by a pipeline, step by step."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbkit.engines.diffusion.libraries import enough_memory
from nbkit.engines.diffusion.pipelines import OWN_SCHEDULER, first_line
from nbkit.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image

    from nbkit.engines.diffusion.pipelines import Pipeline

    OnStep = Callable[[float, str, Image.Image | None], None]

BLOCK = 8  # pixels by which sides go, because autoencoders work in blocks of them


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What is to be drawn. What is None is as the pipeline has it by itself.

    Attributes:
        prompt: What to show.
        negative_prompt: What to leave out.
        seed: From 0 to 2**64 - 1. The same one gives the same picture on the same machine.
        size: Width and height in pixels, multiples of 8.
        start: The picture to start from, in mode RGB; it is brought to `size`.
        strength: How far to go from it: 0 keeps it, 1 replaces it.
        steps: How many steps.
        guidance: How closely the prompt is followed.
        scheduler: A name in `SCHEDULERS`, or `OWN_SCHEDULER`.
    """

    prompt: str
    seed: int
    negative_prompt: str | None = None
    size: tuple[int, int] | None = None
    start: Image.Image | None = None
    strength: float | None = None
    steps: int | None = None
    guidance: float | None = None
    scheduler: str = OWN_SCHEDULER

    @property
    def goal(self) -> tuple[int, int] | None:
        """The size of the picture, where it is not for the pipeline to say."""
        return self.size or (self.start.size if self.start else None)


@dataclass(frozen=True)
class Drawing:
    """A picture that a pipeline made.

    Attributes:
        image: The picture, in mode RGB.
        unsafe: Whether the pipeline's own safety checker blackened it.
        unused: Names of wishes that this pipeline knows nothing of.
    """

    image: Image.Image
    unsafe: bool
    unused: tuple[str, ...]


def draw(pipeline: Pipeline, wish: Wish, *, on_step: OnStep, previews: bool = False) -> Drawing:
    """Make one picture.

    Args:
        pipeline: As `loaded` gives it.
        wish: What to draw.
        on_step: Called after each step with the share that is done, a word about it, and the picture so far.
            What it raises stops the work.
        previews: Whether to show the picture so far.

    Raises:
        EngineError: The pipeline cannot draw this; `field` names the wish at fault where it is known.
        OutOfMemory: There is not enough memory for it.
    """
    torch = pipeline.libraries.torch
    pipe = pipeline.prepared(from_image=wish.start is not None, scheduler=wish.scheduler)
    known = inspect.signature(pipe.__call__).parameters
    asked = _arguments(wish)
    unused = tuple(name for name in asked if name not in known and name not in ("width", "height"))
    arguments = {name: value for name, value in asked.items() if name in known}
    _check_steps(arguments, known)
    decoder = pipeline.decoder if previews else None

    def after_step(_pipe: Any, index: int, _time: Any, state: dict[str, Any]) -> dict[str, Any]:
        done = index + 1
        steps = max(done, getattr(pipe, "num_timesteps", done))
        latents = state.get("latents")
        picture = decoder.picture(latents, wish.goal) if decoder and latents is not None else None
        on_step(done / steps, f"step {done} of {steps}", picture)
        return {}

    if "callback_on_step_end" in known:
        arguments["callback_on_step_end"] = after_step
    generator = torch.Generator("cpu").manual_seed(wish.seed)
    with enough_memory(f"on {pipeline.device} for this picture", "take a smaller image_size"):
        try:
            result = pipe(**arguments, generator=generator)
        except ValueError as error:
            raise EngineError(f"{pipeline.name} cannot draw this: {first_line(error)}") from error
    flags = getattr(result, "nsfw_content_detected", None) or [False]
    return Drawing(result.images[0].convert("RGB"), bool(flags[0]), unused)


def _arguments(wish: Wish) -> dict[str, Any]:
    """A wish as pipelines call it."""
    asked: dict[str, Any] = {
        "prompt": wish.prompt,
        "negative_prompt": wish.negative_prompt or None,
        "num_inference_steps": wish.steps,
        "guidance_scale": wish.guidance,
    }
    if wish.start is not None:
        asked |= {"image": wish.start.resize(wish.goal or wish.start.size), "strength": wish.strength}
    if wish.goal is not None:
        asked |= {"width": wish.goal[0], "height": wish.goal[1]}
    return {name: value for name, value in asked.items() if value is not None}


def _check_steps(arguments: dict[str, Any], known: Any) -> None:
    """A pipeline that starts from a picture leaves out the steps that lie before it; some must remain."""
    if "image" not in arguments or "strength" not in known or "num_inference_steps" not in known:
        return
    steps, strength = (
        arguments.get(name, known[name].default) for name in ("num_inference_steps", "strength")
    )
    if int(steps * strength) < 1:
        raise EngineError(
            f"{steps} steps at strength {strength:g} leave none to do; take more of either", field="strength"
        )
