from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, strategies as st
from PIL import Image

from nbkit.client.run import Run
from nbkit.errors import InputError
from nbkit.magics.template import fill, fill_text
from nbkit.model.endpoint import Endpoint
from nbkit.model.media import Media
from nbkit.model.result import Result

PICTURE = Media("http://x/a.png", "image/png", path=Path("/store/a.png"))
NAMES: dict[str, Any] = {
    "animal": "cat",
    "count": 3,
    "style": SimpleNamespace(name="ink", colours=["red", "blue"]),
    "sizes": {"large": 1024},
    "picture": Image.new("RGB", (2, 2)),
    "path": Path("a.png"),
    "one": Result({}, media=(PICTURE,)),
    "two": Result({}, media=(PICTURE, PICTURE)),
    "flag": True,
    "変数": "夕日",
}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("a {{animal}}", "a cat"),
        ("{{count}} {{ animal }}s", "3 cats"),
        ("in {{style.name}}, {{style.colours[0]}} and {{style.colours[-1]}}", "in ink, red and blue"),
        ("{{sizes['large']}} px", "1024 px"),
        ("{{変数}}の猫", "夕日の猫"),
        (r"\{{animal}}", "{{animal}}"),
        (
            "{animal} {} {{}} {{ }} {{not a name}} {{1}} $animal %animal% {",
            "{animal} {} {{}} {{ }} {{not a name}} {{1}} $animal %animal% {",
        ),
    ],
)
def test_variables_are_filled_in(text: str, filled: str) -> None:
    """Names, attributes and items stand for their values; every other brace stays."""
    assert fill_text(text, NAMES) == filled


@given(st.text().filter(lambda text: "{{" not in text))
def test_text_without_references_stays_word_for_word(text: str) -> None:
    """Quotes, percent signs, single braces, emoji and every script are sent as they were written."""
    assert fill_text(text, {}) == text


@given(st.text())
def test_what_a_variable_holds_is_not_read_again(text: str) -> None:
    """A variable whose text has braces in it is sent as it is."""
    assert fill_text("{{name}}", {"name": text}) == text


def test_a_value_of_its_own_may_be_a_file() -> None:
    """A picture, a path, a file and a result with one file are handed on as files."""
    assert fill("{{picture}}", NAMES) is NAMES["picture"]
    assert fill("{{path}}", NAMES) == Path("a.png")
    assert fill("{{one}}", NAMES) == fill("{{two.images[1]}}", NAMES) == Path("/store/a.png")
    assert fill({"images": ["{{picture}}", "{{animal}}"]}, NAMES) == {"images": [NAMES["picture"], "cat"]}
    assert fill("{{count}}", NAMES) == 3


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{{animel}}", "no variable 'animel'.*did you mean animal"),
        ("{{style.nam}}", "style has no 'nam'.*did you mean name"),
        ("{{style.colours[7]}}", r"style.colours\[7\] does not exist"),
        ("{{count[0]}}", r"count\[0\] does not exist"),
        ("{{two}}", r"2 files.*\{\{two.images\[0\]\}\}"),
        ("a {{picture}}", "an Image: inside text"),
        ("a {{flag}}", "a bool: inside text"),
    ],
)
def test_a_wrong_name_is_explained(text: str, complaint: str) -> None:
    """An unknown name, and a value that cannot stand there, are refused and the nearest name is told."""
    with pytest.raises(InputError) as caught:
        fill(text, NAMES)

    caught.match(f"(?s){complaint}")


def test_a_function_cannot_be_sent() -> None:
    """A function in place of a value is noticed before anything is sent."""
    with pytest.raises(InputError, match="cannot be sent"):
        fill("{{call}}", {"call": print})


def test_a_run_in_the_background_stands_for_its_file(tmp_path: Path) -> None:
    """The variable that a background cell named can be given like a result: what it gives is waited for."""
    run = Run(Endpoint.parse("acme/x"), {})
    picture = Media("https://x/a.png", "image/png", path=tmp_path / "a.png")
    threading.Timer(0.1, run._settle, [Result({}, media=(picture,))]).start()

    assert fill("{{run}}", {"run": run}) == tmp_path / "a.png"
