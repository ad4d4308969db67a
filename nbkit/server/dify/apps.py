"""The workflow apps: what each takes, its steps, and what its end gives."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbkit.wire.dify.form_answers import variable_facts
from nbkit.wire.dify.parameters import Form, Variable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Values = dict[str, Any]
Selector = tuple[str, str]
"""A step and one of its outputs."""

START = "start"
_SEED_BITS = 31
_SIDE = 512  # pixels
_CHECKPOINTS = [
    "chilloutmix_NiPrunedFp32Fix",
    "dosmix_",
    "ghostmix_v20Bakedvae",
    "rundiffusionFX_v10",
    "v1-5-pruned-emaonly",
]


@dataclass(frozen=True, kw_only=True)
class Node:
    """One step.

    Attributes:
        name: Its name in the workflow.
        kind: Dify's word for its kind.
        title: What people call it.
        inputs: Its inputs, and where each comes from.
        compute: What computes it, for a step without a model.
        endpoint: The endpoint that computes it, an empty string for a step without a model.
        may_fail: Whether the workflow goes on when it fails.
    """

    name: str
    kind: str
    title: str
    inputs: Mapping[str, Selector]
    compute: Callable[[Values], Values] | None = None
    endpoint: str = ""
    may_fail: bool = False


@dataclass(frozen=True, kw_only=True)
class WorkflowApp:
    """One app.

    Attributes:
        name: Its name, and the end of its key.
        description: What it does.
        stand_in: The local models that answer.
        form: What it takes.
        nodes: Its steps between start and end, in order.
        outputs: What its end gives, and where each comes from.
        owner: Whose it is: each user of the server has an app of their own.
    """

    name: str
    description: str
    stand_in: str
    form: Form
    nodes: tuple[Node, ...]
    outputs: Mapping[str, Selector] = field(default_factory=dict)
    owner: str = ""


def _form(*facts: Values) -> Form:
    return Form(tuple(Variable(one["variable"], one["type"], one) for one in facts))


def _prepare(given: Values) -> Values:
    """The parameters of the picture; empty ones, which count as not given, are filled in."""
    return {
        "prompt": given["prompt"],
        "negative_prompt": given["negative_prompt"] or "",
        "image_size": {name: _whole(given[name], _SIDE) for name in ("width", "height")},
        "seed": _whole(given["seed"], secrets.randbits(_SEED_BITS)),
        "model_name": given["model_name"],
    }


def _whole(value: Any, otherwise: int) -> int:
    return otherwise if value in (None, "") else int(value)


def _first(given: Values) -> Values:
    """The first file of the first branch that gave some."""
    return {"output": next((files[0] for files in given.values() if files), None)}


TEXT_TO_IMAGE = WorkflowApp(
    name="text-to-image",
    description="Composes a picture from OpenMoji sprites for what the prompt names. Not generative; model_name is "
    "not used.",
    stand_in="local/collage",
    form=_form(
        variable_facts("prompt", "paragraph", required=True, max_length=4000),
        variable_facts("negative_prompt", "paragraph", max_length=2000),
        variable_facts("model_name", "select", options=_CHECKPOINTS, default=_CHECKPOINTS[-1]),
        variable_facts("width", "number", default=_SIDE),
        variable_facts("height", "number", default=_SIDE),
        variable_facts("seed", "number"),
    ),
    nodes=(
        Node(
            name="prepare",
            kind="code",
            title="Prepare parameters",
            inputs={
                name: (START, name)
                for name in ("prompt", "negative_prompt", "model_name", "width", "height", "seed")
            },
            compute=_prepare,
        ),
        Node(
            name="draw",
            kind="tool",
            title="Text to image",
            inputs={name: ("prepare", name) for name in ("prompt", "negative_prompt", "image_size", "seed")},
            endpoint="local/collage",
        ),
    ),
    outputs={"files": ("draw", "files"), "seed": ("prepare", "seed")},
)
STICKER = WorkflowApp(
    name="sticker",
    description="Makes a die-cut sticker of a picture: cut out, outlined, enlarged.",
    stand_in="local/remove-background, local/sticker, local/upscale",
    form=_form(
        variable_facts("picture", "file", required=True),
        variable_facts("scale", "number", default=2),
    ),
    nodes=(
        Node(
            name="cut_out",
            kind="tool",
            title="Cut out",
            inputs={"image_url": (START, "picture")},
            endpoint="local/remove-background",
        ),
        Node(
            name="outline",
            kind="tool",
            title="Outline",
            inputs={"image_url": ("cut_out", "files")},
            endpoint="local/sticker",
        ),
        Node(
            name="enlarge",
            kind="tool",
            title="Enlarge",
            inputs={"image_url": ("outline", "files"), "upscale_factor": (START, "scale")},
            endpoint="local/upscale",
            may_fail=True,
        ),
        Node(
            name="choose",
            kind="variable-aggregator",
            title="Choose",
            inputs={"enlarged": ("enlarge", "files"), "outlined": ("outline", "files")},
            compute=_first,
        ),
    ),
    outputs={"sticker": ("choose", "output")},
)
APPS = (TEXT_TO_IMAGE, STICKER)
