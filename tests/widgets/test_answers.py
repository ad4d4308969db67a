from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nbkit.model.schema import Schema
from nbkit.widgets.answers import entered, gathered
from nbkit.widgets.controls import Control, controls_of, each

SCHEMA = {
    "type": "object",
    "required": ["prompt", "steps", "safe"],
    "properties": {
        "prompt": {"type": "string"},
        "steps": {"type": "integer", "minimum": 1, "maximum": 50, "default": 4},
        "scale": {"type": "number"},
        "safe": {"type": "boolean"},
        "size": {
            "anyOf": [
                {"type": "string", "enum": ["square", "wide"]},
                {
                    "type": "object",
                    "properties": {"width": {"type": "integer"}, "height": {"type": "integer"}},
                },
            ],
            "default": "wide",
        },
        "words": {"type": "array", "items": {"type": "string"}},
        "loras": {"type": "array", "items": {"type": "object"}},
        "image_url": {"type": "string"},
        "image_urls": {"type": "array", "items": {"type": "string"}},
    },
}
CONTROLS = controls_of(Schema("a/b", "", SCHEMA))
IDS = {control.place: control.id for control in each(CONTROLS)}


def given_by(
    files: dict[str, list[Path]] | None = None, **answers: Any
) -> tuple[dict[str, Any], dict[str, str]]:
    """The input that some answers make, and what is wrong with them, by place."""
    problems: dict[str, str] = {}
    named = {IDS[place.replace("__", ".")]: answer for place, answer in answers.items()}
    paths = {IDS[place]: found for place, found in (files or {}).items()}
    given = gathered(CONTROLS, named, paths, problems)
    return given, {place: problems[name] for place, name in IDS.items() if name in problems}


def test_an_untouched_form_sends_what_is_required() -> None:
    """Defaults of the service stay with the service, but for those of required inputs."""
    assert given_by() == ({"steps": 4, "safe": False}, {})


def test_answers_become_values_of_their_types() -> None:
    """Numbers are numbers, choices are the schema's own values, lines are a list."""
    given, problems = given_by(prompt="a cat", steps="7", scale="0.5", safe=True, size=0, words="a\n\nb c\n")

    assert problems == {}
    assert given == {
        "prompt": "a cat",
        "steps": 7,
        "scale": 0.5,
        "safe": True,
        "size": "square",
        "words": ["a", "b c"],
    }


def test_a_custom_size_is_an_object() -> None:
    """Width and height count only where `custom` is chosen."""
    assert given_by(size="custom", size__width="640")[0]["size"] == {"width": 640}
    assert "size" not in given_by(size__width="640")[0]


@pytest.mark.parametrize("text", ["many", "nan", "inf", "1e999", "0x10", "\uff19" * 5000])
def test_what_is_no_number_stays_as_it_was_typed(text: str) -> None:
    """The check of the input says what is wrong with it, in the words that were typed."""
    assert isinstance(given_by(scale=text)[0]["scale"], (str, int))
    assert given_by(scale=text)[0]["scale"] != float("inf")


@pytest.mark.parametrize("text", ["{", "[NaN]", "[" * 100_000])
def test_broken_json_is_told_at_its_field(text: str) -> None:
    """A slip in JSON is a message, not an input."""
    given, problems = given_by(loras=text)

    assert "loras" not in given
    assert problems["loras"].startswith("this is not valid JSON")


def test_files_and_addresses_stand_together() -> None:
    """One file is one value, several are a list, and typed addresses count as files."""
    one, two = Path("a.png"), Path("b.png")

    assert given_by({"image_url": [one]})[0]["image_url"] == one
    assert given_by({"image_urls": [one]})[0]["image_urls"] == [one]
    assert given_by({"image_urls": [one, two]}, image_urls="https://x/c.png")[0]["image_urls"] == [
        one,
        two,
        "https://x/c.png",
    ]


@pytest.mark.parametrize("answer", [None, [], {}, 7.5, True, -1, 99, "x" * 100, ["a"]])
def test_a_browser_may_say_anything(answer: Any) -> None:
    """Answers of the wrong kind count as none, and break nothing."""
    for control in each(CONTROLS):
        gathered(CONTROLS, {control.id: answer}, {}, {})


def test_the_rest_takes_more_inputs() -> None:
    """Where there are no controls, a JSON object is merged into the input."""
    rest = controls_of(Schema("a/b", "", {}))
    problems: dict[str, str] = {}

    assert gathered(rest, {rest[0].id: '{"a": 1}'}, {}, problems) == {"a": 1}
    assert gathered(rest, {rest[0].id: "[1]"}, {}, problems) == {}
    assert "JSON object" in problems[rest[0].id]


def test_filling_in_is_the_other_way_round() -> None:
    """The input of an earlier result comes out as it went in."""
    given: dict[str, Any] = {
        "prompt": "a cat",
        "steps": 9,
        "scale": 0.25,
        "safe": True,
        "size": {"width": 64, "height": 32},
        "words": ["a", "b"],
        "loras": [{"path": "x"}],
        "image_url": "https://x/a.png",
        "image_urls": [Path("a.png"), "https://x/b.png"],
    }
    answers, files = entered(CONTROLS, given)

    assert gathered(CONTROLS, answers, files, {}) == given


def test_controls_have_names_of_their_own() -> None:
    """No two controls share an id, also inside others."""
    found: list[Control] = list(each(CONTROLS))

    assert len({control.id for control in found}) == len(found)
