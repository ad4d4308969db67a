# Annotations are read here as they are by those who declare functions, so they are not put off.

import json
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import pytest
from PIL import Image

from nbkit.endpoints.gives import output_schema


@dataclass
class Found:
    """A picture with what was found in it."""

    picture: Image.Image
    words: list[str]


class Told(TypedDict):
    """The same as a dict."""

    picture: Image.Image
    file: Path


@pytest.mark.parametrize(
    ("annotation", "names"),
    [
        (Image.Image, ["image"]),
        (list[Image.Image], ["images"]),
        (Path, ["file"]),
        (str, ["output"]),
        (dict[str, int], []),
        (Found, ["picture", "words"]),
        (Told, ["picture", "file"]),
        (Generator[float, None, list[Image.Image]], ["images"]),
        (Iterator[Image.Image], ["image"]),
        (Iterator[float | Image.Image], ["image"]),
        (Iterator[Any], []),
        (Any, []),
        (object, ["output"]),
    ],
)
def test_the_output_s_schema_is_what_comes_out(annotation: Any, names: list[str]) -> None:
    """The names that a caller may expect; none where the annotation does not say."""
    schema = output_schema(annotation, "XOutput", tells_seed=False)

    assert list(schema.get("properties", {})) == names
    assert (schema["type"], schema["title"]) == ("object", "XOutput")
    assert "$ref" not in json.dumps(schema)


def test_files_within_records_are_described_as_files() -> None:
    """So that a client knows them as such."""
    found = output_schema(Told, "X", tells_seed=True)["properties"]

    assert "width" in found["picture"]["properties"]
    assert set(found["file"]["properties"]) == {"url", "content_type", "file_name", "file_size"}
    assert found["seed"]["type"] == "integer"
