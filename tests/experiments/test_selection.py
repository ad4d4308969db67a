from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import nbkit
from nbkit.errors import InputError
from nbkit.experiments.axes import Replace
from nbkit.experiments.difference import differences, shown
from tests.experiments.queue_service import ENDPOINT, WELL, Fate

if TYPE_CHECKING:
    from tests.experiments.queue_service import QueueService

AXES: dict[str, Any] = {
    "animal": Replace("cat", "dog"),
    "size.width": [64, 128],
    "model": ["one"],
}


@pytest.fixture
def sweep(client: nbkit.Client, service: QueueService) -> nbkit.Sweep:
    """Four cells, one of which failed."""
    service.decide = lambda _number, given: (
        Fate(failure=(422, {"detail": "too wide"})) if given["size"]["width"] == 128 else WELL
    )
    given = {"prompt": "a <cat> on a roof", "size": {"height": 64}}
    return nbkit.Sweep(ENDPOINT, given, AXES, client=client).run()


def test_a_cell_is_found_by_its_values(sweep: nbkit.Sweep) -> None:
    """By value, by label, by number and by place; an axis with a single value need not be named."""
    found = sweep.cell({"size.width": 64}, animal="dog")

    assert found.input["prompt"] == "a <dog> on a roof"
    assert found.image is not None
    assert found.outcome is not None
    assert (found.state, sweep[2].cell, sweep[1, 0, 0].cell) == ("succeeded", found.cell, found.cell)
    assert sweep.cell({"size.width": 128, "animal": "cat"}).image is None
    assert "too wide" in repr(sweep.cell({"size.width": 128, "animal": "cat"}))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"animl": "dog"}, "'animl' is no axis\n  → did you mean animal"),
        ({"animal": "cow"}, "animal has no value 'cow'\n  → it has cat, dog"),
        ({"animal": "dog"}, "2 cells have these values\n  → say size.width, too"),
    ],
)
def test_a_cell_that_is_not_there_is_told(sweep: nbkit.Sweep, values: dict[str, Any], words: str) -> None:
    """The error names what is known instead."""
    with pytest.raises(InputError, match=words):
        sweep.cell(values)


def test_two_cells_are_compared(sweep: nbkit.Sweep) -> None:
    """Their pictures stand beside each other, and the words that differ are marked; markup in a prompt is text."""
    pair = sweep.compare(sweep[0], {"animal": "dog", "size.width": 64})
    bundle = pair._repr_mimebundle_()[0]

    assert [it.place for it in pair.differences] == ["prompt"]
    assert bundle["text/html"].count("<img") >= 2
    assert 'line-through;opacity:.65">cat</span>&gt; on a roof' in bundle["text/html"]
    assert "a <cat> on a roof  a <dog> on a roof" in bundle["text/plain"]
    with pytest.raises(InputError, match=r"cat · 128 · one has no picture: .*too wide"):
        sweep.compare(sweep[0], sweep[1])


def test_inputs_are_told_apart_by_what_is_sent() -> None:
    """Objects are looked into, `1` is not `1.0` nor `true`, and what one of them lacks is empty."""
    first = {"size": {"width": 1, "height": 2}, "same": [1], "steps": 1, "old": None}
    second = {"size": {"width": 3, "height": 2}, "same": [1], "steps": True, "new": "x"}
    found = {it.place: (it.first, it.second) for it in differences(first, second)}

    assert found == {"size.width": ("1", "3"), "steps": ("1", "true"), "old": ("none", ""), "new": ("", "x")}
    assert differences(first, first) == []
    assert "do not differ" in shown([])["text/plain"]


def test_texts_are_compared_word_by_word() -> None:
    """Also where no spaces part the words, and never for long."""
    (words,) = differences({"p": "a red cat, sitting"}, {"p": "a blue cat, lying down"})
    (signs,) = differences({"p": "赤い猫"}, {"p": "青い猫"})
    (long,) = differences({"p": "word " * 5000}, {"p": "other " * 5000})

    assert words.words == (
        ("=", "a "),
        ("-", "red "),
        ("+", "blue "),
        ("=", "cat, "),
        ("-", "sitting"),
        ("+", "lying down"),
    )
    assert signs.words == (("-", "赤"), ("+", "青"), ("=", "い猫"))
    assert long.words == ()
