"""JSON Schemas of files as fal's outputs have them."""

from __future__ import annotations

from typing import Any

_FACTS: dict[str, Any] = {
    "url": {"type": "string", "title": "Url", "description": "Where the file can be fetched."},
    "content_type": {"type": "string", "title": "Content Type", "examples": ["image/png"]},
    "file_name": {"type": "string", "title": "File Name"},
    "file_size": {"type": "integer", "title": "File Size", "description": "Bytes."},
}
_SIZE: dict[str, Any] = {
    "width": {"type": "integer", "title": "Width", "description": "Pixels."},
    "height": {"type": "integer", "title": "Height", "description": "Pixels."},
}


def _file(title: str, facts: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "title": title,
        "properties": facts,
        "required": ["url"],
        "x-fal-order-properties": list(facts),
    }


FILE = _file("File", _FACTS)
IMAGE = _file("Image", {**_FACTS, **_SIZE})
