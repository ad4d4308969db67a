from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given, strategies as st

from nbkit.errors import MediaError
from nbkit.model.media import Media
from nbkit.model.recipe import Recipe
from nbkit.model.result import Result

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
KEY = "0a1b2c3d-1111-2222-3333-0a1b2c3d4e5f:00112233445566778899aabbccddeeff"
# How the most used tool for generated pictures reads the last line.
SETTING = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')


def test_a_result_tells_how_each_file_was_made() -> None:
    """Endpoint, input, seed, request id, provider, version and time are with the file, and which one it was."""
    result = Result(
        {"seed": 7},
        endpoint="fal-ai/flux/schnell",
        input={"prompt": "a cat"},
        request_id="r-1",
        media=(Media("https://a/x.png", place="images.0"), Media("https://a/y.png", place="images.1")),
        ended_at=1_700_000_000,
    )
    recipe = result.media[1].recipe

    assert recipe is not None
    assert json.loads(recipe.text()) == {
        "nbkit": 1,
        "endpoint": "fal-ai/flux/schnell",
        "input": {"prompt": "a cat"},
        "seed": 7,
        "request_id": "r-1",
        "provider": "fal",
        "software": recipe.software,
        "time": "2023-11-14T22:13:20+00:00",
        "place": "images.1",
        "index": 1,
    }
    assert recipe.software.startswith("nbkit ")


def test_the_seed_that_was_sent_counts_where_the_model_tells_none() -> None:
    """A picture can be made again by a model that does not repeat the seed in its answer."""
    result = Result({}, endpoint="a/b", input={"seed": 5}, media=(Media("https://a/x.png"),))
    assert result.media[0].recipe is not None
    assert result.media[0].recipe.seed == 5


def test_nothing_that_opens_anything_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys, signatures of addresses, passwords in them and the contents of files stay out of a recipe."""
    monkeypatch.setenv("SOME_TOKEN", "plain-words-only")
    data = b"the bytes of a picture"
    text = Recipe(
        "a/b",
        input={
            "prompt": f"with {KEY} and plain-words-only",
            "image_url": f"data:image/png;base64,{b64encode(data).decode()}",
            "more": [{"url": "https://user:pass@host/x.png?X-Amz-Signature=abc&X-Amz-Expires=5"}],
            "page": "https://host/x?id=5#part",
            "known_url": f"data:image/png;sha256={'0a' * 32};bytes=7",
            "saying": "https://host/x?sig=1 is prose",
        },
    ).text()

    assert json.loads(text)["input"] == {
        "prompt": "with [fal key removed] and [key of this machine removed]",
        "image_url": f"sha256:{hashlib.sha256(data).hexdigest()}",
        "more": [{"url": "https://host/x.png"}],
        "page": "https://host/x?id=5#part",
        "known_url": f"sha256:{'0a' * 32}",
        "saying": "https://host/x?sig=1 is prose",
    }


@given(st.dictionaries(st.text(), JSON), st.text(min_size=1), st.none() | st.integers())
def test_what_was_written_is_read(given_input: dict[str, Any], endpoint: str, seed: int | None) -> None:
    """A recipe survives writing and reading, whatever is in the input, and a second time it is the same text."""
    text = Recipe(endpoint, given_input, seed).text()
    text.encode()
    again = Recipe.read(text)

    assert again.seed == seed
    assert set(again.input) <= {name.encode("utf-8", "replace").decode() for name in given_input} | set(
        again.input
    )
    assert again.text() == text


@given(st.text() | JSON.map(json.dumps))
def test_other_texts_are_no_recipes(text: str) -> None:
    """What another program wrote is told apart."""
    with pytest.raises(MediaError):
        Recipe.read(text)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"nbkit": 1}', '{"nbkit": "1", "endpoint": "a/b"}', "9" * 9_999, "x" * 4_000_001]
)
def test_hostile_texts_are_no_recipes(text: str) -> None:
    """A text that is made to break a reader is refused like any other."""
    with pytest.raises(MediaError):
        Recipe.read(text)


def test_fields_of_the_wrong_kind_are_left_out() -> None:
    """A recipe that was edited badly is read as far as it makes sense."""
    recipe = Recipe.read(
        '{"nbkit": 1, "endpoint": "a/b", "seed": "x", "input": [], "index": true, "later": 1}'
    )

    assert recipe == Recipe("a/b")


def test_other_tools_can_read_the_parameters() -> None:
    """Prompt, negative prompt and settings stand as the tools of the field write them."""
    recipe = Recipe(
        "fal-ai/flux/dev",
        input={
            "prompt": "a cat,\non a mat",
            "negative_prompt": "blurry",
            "num_inference_steps": 28,
            "guidance_scale": 3.5,
            "scheduler": "Euler, a",
        },
        seed=42,
        provider="fal",
        software="nbkit 0.1.0",
    )
    *prompt, last = recipe.parameters((640, 480)).split("\n")

    assert prompt == ["a cat,", "on a mat", "Negative prompt: blurry"]
    assert dict(SETTING.findall(last)) == {
        "Steps": "28",
        "CFG scale": "3.5",
        "Sampler": '"Euler, a"',
        "Seed": "42",
        "Size": "640x480",
        "Model": "fal-ai/flux/dev",
        "Version": "nbkit 0.1.0",
        "Provider": "fal",
    }


@pytest.mark.parametrize(
    "given_input", [{}, {"prompt": ""}, {"prompt": ["a"]}, {"image_url": "https://a/b.png"}]
)
def test_without_a_prompt_there_are_no_parameters(given_input: dict[str, Any]) -> None:
    """An enlarged picture has no prompt to show."""
    assert Recipe("a/b", input=given_input).parameters() == ""


def test_a_damaged_data_address_spoils_no_recipe() -> None:
    """An address that is no base64, with half of a character in it, is told by its hash like any other."""
    recipe = Recipe("a/b", input={"image_url": "data:image/png;base64,\ud800?"})

    assert json.loads(recipe.text())["input"]["image_url"].startswith("sha256:")
