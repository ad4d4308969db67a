from __future__ import annotations

from typing import Any

from PIL import ImageOps

import nbkit

_CELL = """
import nbkit
from PIL import Image, ImageOps

@nbkit.endpoint("me/{name}")
def change(image: Image.Image) -> Image.Image:
    return ImageOps.{what}(image.convert("RGB"))
"""


def cell(name: str, what: str) -> Any:
    """Run a cell that makes a function an endpoint."""
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(_CELL.format(name=name, what=what), names)  # noqa: S102 - the cell is ours
    return names["change"]


def test_a_function_of_one_s_own_is_a_step_like_any_other() -> None:
    """Its schema is known, the embedded server runs it between two others, and as it is now: also unchecked."""
    flow = nbkit.workflow("own")
    size = {"width": 64, "height": 64}
    drawn = flow.run("local/collage", prompt=flow.input("prompt", str), image_size=size, seed=1)
    changed = flow.run(cell("changed", "invert"), image=drawn.images[0].url)
    flow.output(before=drawn.images[0], after=changed.image)

    assert list(flow.definition.steps) == ["collage", "changed"]
    assert flow.check().notes == ()
    inverted = flow.subscribe(prompt="a cat").images
    cell("changed", "mirror")
    mirrored = flow.subscribe(prompt="a cat", check=False).images
    before, after, again = (image.pil().convert("RGB") for image in (*inverted, mirrored[1]))
    assert after.tobytes() == ImageOps.invert(before).tobytes()
    assert again.tobytes() == ImageOps.mirror(before).tobytes()
