from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from nbkit.errors import InputError
from nbkit.wire.fal.definition import Definition, Step, read_definition
from nbkit.workflows.drawing import bundle, mermaid
from tests.attacks import ATTACKS
from tests.display.test_injection import inspect

LONG = {
    "name": "long",
    "nodes": {
        f"n{number}": {
            "app": "acme/gen",
            "input": {"image_url": f"$n{number - 1}.x" if number else "$input.x"},
        }
        for number in range(100)
    },
    "output": {"first": "$n0.x", "last": "$n99.x"},
}


def test_a_screen_reader_is_told_the_whole_graph() -> None:
    """Inputs, each step with what it takes from where, and the output, in sentences."""
    step = Step("cut", "acme/cut", {"image_url": "$input.photo"}, frozenset({"input"}))
    page = bundle(Definition("w", {"cut": step}, {"x": "$cut.image"}, inputs={"photo": {"type": "string"}}))[
        "text/html"
    ]

    for words in (
        "Input: photo string.",
        "Step cut calls acme/cut with image_url ← input.photo.",
        "Output: x ← cut.image.",
    ):
        assert words in page


def test_a_very_large_workflow_is_a_table() -> None:
    """A hundred steps in a row are no picture; the notebook stays small."""
    small, large = bundle(read_definition({**LONG, "output": {"x": "$n99.x"}})), bundle(read_definition(LONG))

    assert "<table" in large["text/html"] or "<img" in large["text/html"]
    assert max(len(small["text/html"]), len(large["text/html"])) < 300_000


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_workflow_from_outside_is_drawn_inert(attack: str) -> None:
    """Names, endpoints, values and titles, in a page, a terminal and Mermaid."""
    step = Step(attack, attack, {attack: attack, "x": [attack], "y": f"${attack}.x"}, frozenset({attack}))
    definition = Definition(
        attack,
        {attack: step},
        {attack: attack},
        title=attack,
        inputs={attack: {"type": attack}},
        displays={attack: attack},
    )
    shown = bundle(definition)

    assert inspect(shown["text/html"]).wrong == []
    assert not set(shown["text/plain"]) & set("\x1b\x07\x00\u202e\ud800")
    assert not set(mermaid(definition).replace("<br/>", "").replace("-->", "")) & set("<>\x1b\u202e\ud800`")


_NAMES = st.sampled_from(["a", "b", "output", "input", "x y", "$", "ä", ""])
_VALUES = st.sampled_from(["$a", "$b.x", "$input.a", "$gone.x", 3, None]) | st.lists(
    st.just("$b.0"), max_size=2
)
_STEPS = st.dictionaries(
    _NAMES, st.fixed_dictionaries({"app": _NAMES, "input": st.dictionaries(_NAMES, _VALUES)})
)


@given(_STEPS, st.dictionaries(_NAMES, _VALUES), st.dictionaries(_NAMES, st.just({"type": "string"})))
def test_whatever_was_read_can_be_drawn(nodes: Any, output: Any, inputs: Any) -> None:
    """Circles, names like those of the output, references to nothing: a drawing, and never an error."""
    try:
        definition = read_definition({"nodes": nodes, "output": output, "schema": {"input": inputs}})
    except InputError:
        return
    assert inspect(bundle(definition)["text/html"]).wrong == []
    assert mermaid(definition).startswith("flowchart LR")
