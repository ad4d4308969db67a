from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.browser.conftest import keep

if TYPE_CHECKING:
    from tests.browser.conftest import OpenNotebook

FUNCTION = """\
import time
from typing import Annotated
import nbkit
from PIL import Image
from pydantic import Field

@nbkit.endpoint("me/fade")
def fade(steps: Annotated[int, Field(ge=1, le=100)] = 4, prompt: str = "") -> dict:
    picture = Image.radial_gradient("L")
    for step in range(steps):
        yield step / steps, "fading", picture.point(lambda light: light * step // steps)
        time.sleep(0.4)
    return {"image": picture, "said": f"{steps} steps for {prompt}"}"""


def test_a_functions_pictures_are_seen_while_it_works(open_notebook: OpenNotebook) -> None:
    """The card shows what the function yields, then what it returns; run anew, its cell replaces it."""
    notebook = open_notebook(
        "%load_ext nbkit", FUNCTION, "%%generate me/fade --stream -p steps=20\na sunrise", FUNCTION
    )
    notebook.run(0)
    notebook.run(1)
    shown = notebook.start(2)
    expect(shown.locator("img")).to_have_count(1)
    expect(shown).to_contain_text("running")
    expect(shown.get_by_role("button", name="Cancel")).to_have_count(1)
    keep(shown, "own-model-running")
    notebook.ended(2)
    expect(shown.locator("img")).to_have_count(1)
    expect(shown).to_contain_text("succeeded")
    assert "20 steps for a sunrise" in (shown.text_content() or "")

    notebook.write(3, FUNCTION.replace("steps for", "rounds for"))
    notebook.run(3)
    notebook.write(2, "%%generate me/fade --stream -p steps=1\na sunset")
    shown = notebook.run(2)
    assert "1 rounds for a sunset" in (shown.text_content() or "")
