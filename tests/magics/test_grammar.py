from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, strategies as st

from nbkit.errors import InputError
from nbkit.magics.grammar import parse

PROMPT = "A \"cat\" & {a dog}, 100 % 'real' {{ not filled }} $5 \\n 猫🐈 -n 3 --seed 4"


def test_a_body_is_the_prompt_word_for_word() -> None:
    """Quotes, braces, percent signs, emoji, and even options in the body are part of the prompt."""
    request = parse("local/collage", f"\n{PROMPT}\n second line \n\n")

    assert request.endpoint == "local/collage"
    assert request.prompt == f"{PROMPT}\n second line "
    assert request.input == {}


@given(st.text(st.characters(exclude_characters="\r\n"), min_size=1).filter(str.strip))
def test_every_prompt_of_one_line_arrives_unchanged(prompt: str) -> None:
    """Whatever is typed into the body is what is sent."""
    assert (
        prompt == "---" or prompt.strip() == "---" or parse("local/collage", f"{prompt}\n").prompt == prompt
    )


def test_options_are_read() -> None:
    """Every option of the first line is understood, in any order, on both sides of the endpoint."""
    request = parse(
        '--seed 7 local/collage -n 2 -p image_size=square -p guidance=3.5 -p safe=true -p "style=deep sea" '
        '-p size={"width": 512, "height": 256} --as beach --stream --background --dry-run --show=images',
        "a cat",
    )

    assert request.endpoint == "local/collage"
    assert request.input == {
        "seed": 7,
        "num_images": 2,
        "image_size": "square",
        "guidance": 3.5,
        "safe": True,
        "style": "deep sea",
        "size": {"width": 512, "height": 256},
    }
    assert (request.name, request.show) == ("beach", "images")
    assert request.stream
    assert request.background
    assert request.dry_run


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("x=it's", "it's"),
        ("x='two words'", "two words"),
        ('x="42"', "42"),
        ("'x=42'", 42),
        ("x=a=b", "a=b"),
        ("x=https://example.com/a?b=c", "https://example.com/a?b=c"),
        ("x={{name}}", "{{name}}"),
        ("x={{ name }}", "{{ name }}"),
        ('x=["a b", "c"]', ["a b", "c"]),
        ('x=["{{name}}"]', ["{{name}}"]),
        ("x=", ""),
    ],
)
def test_a_parameter_takes_any_value(written: str, value: Any) -> None:
    """JSON may hold spaces, quotes may hold words, and everything else is as it looks."""
    assert parse(f"local/collage -p {written} -n 1", "a").input["x"] == value


def test_one_line_holds_the_whole_request() -> None:
    """In the one-line form what follows the options is the prompt."""
    request = parse('local/collage -n 2 a "cat" on {a} beach ')

    assert (request.endpoint, request.prompt) == ("local/collage", 'a "cat" on {a} beach')
    assert parse("a cat").endpoint == ""
    assert parse("a cat").prompt == "a cat"
    assert parse("local/collage -- --seed is a word").prompt == "--seed is a word"
    assert parse("local/collage").prompt is None
    assert parse("-5 degrees and snow").prompt == "-5 degrees and snow"


def test_lines_above_a_rule_are_input() -> None:
    """`key: value` lines above `---` are typed input, below it stands the prompt."""
    request = parse(
        "local/collage",
        'seed: 42\nimage_size: {"width": 8}\nstyle: deep sea: blue\n\n---\na cat\n---\nmore\n',
    )

    assert request.input == {"seed": 42, "image_size": {"width": 8}, "style": "deep sea: blue"}
    assert request.prompt == "a cat\n---\nmore"


def test_a_header_alone_sends_no_prompt() -> None:
    """An endpoint that takes no prompt gets none."""
    assert parse("local/upscale", "image_url: {{cat}}\n---\n").prompt is None
    assert parse("local/upscale -p image_url={{cat}}", " \n").prompt is None


def test_a_rule_in_a_prompt_is_not_a_header() -> None:
    """A prompt may have a line `---`; a first line `---` makes sure that everything below is prompt."""
    assert parse("local/collage", "a poster\n---\nwith text").prompt == "a poster\n---\nwith text"
    assert parse("local/collage", "---\nmood: dark\n---\na cat").prompt == "mood: dark\n---\na cat"


@pytest.mark.parametrize(
    ("line", "body", "complaint"),
    [
        ("local/collage --sed 3", "a", r"no option '--sed'.*did you mean --seed"),
        ("local/collage -x", "a", r"no option '-x'.*known are -p"),
        ("local/collage --seed", "a", "--seed needs a value"),
        ("local/collage --seed x", "a", "--seed needs a whole number"),
        ("local/collage --seed true", "a", "--seed needs a whole number"),
        ("local/collage -n 0", "a", "-n needs a whole number from 1"),
        ("local/collage --as 1a", "a", "--as needs the name of a variable"),
        ("local/collage --as class", "a", "--as needs the name of a variable"),
        ("local/collage --show imgs", "a", "--show takes images.*did you mean images"),
        ("local/collage --stream=yes", "a", "--stream takes no value"),
        ("local/collage -p seed", "a", "-p needs KEY=VALUE, not 'seed'"),
        ("local/collage -p", "a", "-p needs a value"),
        ('local/collage -p x="open', "a", "quote is not closed"),
        ("local/collage -p x={a:1}", "a", "not valid JSON"),
        ("local/collage -p seed=1 --seed 2", "a", "'seed' is given twice"),
        ("local/collage --seed 2", "seed: 3\n---\na", "'seed' is given twice"),
        ("local/collage -p prompt=b", "a", "prompt is given twice"),
        ("local/collage a cat", "a", "'a' has no place on the first line"),
        ("collage", "a", "'collage' is not an endpoint"),
        ("https://fal.ai/models/fal-ai/flux/dev", "a", "write the id alone: fal-ai/flux/dev"),
        ("local/collage", "seed: 4\nno colon\n---\na", "above `---` every line is"),
        ("local/collage a cat --seed 4", None, "--seed stands behind the prompt"),
        ("https://fal.ai/models/fal-ai/flux/dev a cat", None, "write the id alone"),
    ],
)
def test_a_slip_is_named(line: str, body: str | None, complaint: str) -> None:
    """What cannot be understood is refused before anything is sent, and the message names the word."""
    with pytest.raises(InputError) as caught:
        parse(line, body)

    caught.match(f"(?s){complaint}")


@given(st.text(), st.none() | st.text())
def test_any_cell_is_understood_or_explained(line: str, body: str | None) -> None:
    """No cell ends in anything but a request or a message."""
    with suppress(InputError):
        parse(line, body)
