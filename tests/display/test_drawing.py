from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from nbkit.display import figure
from nbkit.display.drawing import drawing
from nbkit.display.figure import Figure
from nbkit.errors import MediaError
from tests.display.test_injection import inspect

if TYPE_CHECKING:
    from pathlib import Path

OPEN = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">'
CIRCLE = OPEN + b'<circle cx="4" cy="4" r="3" fill="teal"/></svg>'


def made(folder: Path, data: bytes) -> Figure:
    """A drawing as a figure."""
    path = folder / "a.svg"
    path.write_bytes(data)
    return Figure(path, name="a.svg", content_type="image/svg+xml", original="nbkit_files/a.svg.txt")


@pytest.mark.parametrize(
    "before", [b"", b"\xef\xbb\xbf", b'<?xml version="1.0"?>\n', b"<!-- made by\n a program -->\n <!-- - -->"]
)
def test_a_drawing_is_shown_as_a_picture(tmp_path: Path, before: bytes) -> None:
    """A drawing stands in an `img`, where a browser runs and fetches nothing, word for word."""
    page = figure.grid([made(tmp_path, before + CIRCLE)])
    written = base64.b64encode(before + CIRCLE).decode()

    assert f'<img src="data:image/svg+xml;base64,{written}" alt="a.svg"' in page
    assert inspect(page).wrong == []
    assert "<svg" not in page


@pytest.mark.parametrize(
    "inside",
    [
        b"<script>alert(1)</script>",
        b"<sCrIpT href='https://evil.example/x.js'/>",
        b"<svg:script>alert(1)</svg:script>",
        b"<foreignObject><iframe src='//evil.example'/></foreignObject>",
        b"<image href='https://evil.example/a.png'/>",
        b"<g id='a'/><use href='#a'/><use href='#a'/>",
        b"<animate attributeName='href' values='javascript:alert(1)'/>",
        b"<!DOCTYPE svg [<!ENTITY a 'aaaa'>]>&a;",
        b"<![CDATA[<script>alert(1)</script>]]>",
    ],
)
def test_a_drawing_with_more_than_shapes_is_a_name(tmp_path: Path, inside: bytes) -> None:
    """Scripts, pages, pictures from elsewhere and what multiplies itself are not put into a notebook at all."""
    page = figure.grid([made(tmp_path, OPEN + inside + b"</svg>")])

    assert "<img" not in page
    assert "a.svg</a>" in page
    assert "more than shapes" in page


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"<html><svg></svg></html>", "not a picture"),
        (b"<!DOCTYPE svg [<!ENTITY a 'a'>]>" + CIRCLE, "not a picture"),
        (CIRCLE.decode().encode("utf-16"), "not a picture"),
        (b"", "not a picture"),
        (b"\x89PNG\r\n\x1a\n", "not a picture"),
        (CIRCLE + b" " * 60_000, "larger than 60 kB"),
    ],
)
def test_what_is_no_small_drawing_is_refused(tmp_path: Path, data: bytes, why: str) -> None:
    """What is not surely a drawing is named, with the reason."""
    shown = made(tmp_path, data)
    assert shown.path

    with pytest.raises(MediaError, match=why):
        drawing(shown.path)
    assert "not shown" in figure.grid([shown])
