from __future__ import annotations

import itertools
from typing import Any

import pytest

from nbkit.errors import InputError
from nbkit.experiments.axes import Permute, Replace
from nbkit.experiments.order import coarse_to_fine
from nbkit.experiments.plan import Plan

PROMPT = {"prompt": "a cat in the city"}


def test_a_grid_is_every_combination() -> None:
    """Two axes and seeds give every combination once, the last axis running fastest."""
    plan = Plan.of("a/b", PROMPT, {"steps": [4, 8], "animal": Replace("cat", "dog")}, seeds=3)
    cells = plan.cells()

    assert plan.combinations == 12
    assert [cell.position for cell in cells] == list(itertools.product(range(2), range(2), range(3)))
    assert cells[-1].input == {"prompt": "a dog in the city", "steps": 8, "seed": 3}
    assert cells[-1].name == "8 · dog · 3"


def test_zipped_axes_run_together() -> None:
    """Axes can go side by side; every pair is still run with every seed."""
    plan = Plan.of("a/b", PROMPT, {"steps": [4, 8], "cfg": [1, 2]}, mode="zip", seeds=[7, 9])

    assert [cell.labels for cell in plan.cells()] == [
        ("4", "1", "7"),
        ("4", "1", "9"),
        ("8", "2", "7"),
        ("8", "2", "9"),
    ]


def test_combinations_can_be_left_out() -> None:
    """A condition on the values chooses among the combinations."""
    plan = Plan.of("a/b", {}, {"a": "1-3", "b": "1-3"}, where=lambda values: values["a"] < values["b"])

    assert [cell.labels for cell in plan.cells()] == [("1", "2"), ("1", "3"), ("2", "3")]


def test_a_sample_is_the_same_every_day() -> None:
    """The same seed draws the same part, also out of a billion combinations, and another seed another part."""
    axes = dict.fromkeys(("a", "b", "c"), "1-1000")
    draws = [
        [cell.labels for cell in Plan.of("x/y", {}, axes, sample=20, sample_seed=seed).cells()]
        for seed in (1, 1, 2)
    ]

    assert draws[0] == draws[1] != draws[2]
    assert len(set(draws[0])) == 20


def test_one_request_is_an_experiment_too() -> None:
    """Without an axis there is one cell, named by its endpoint."""
    cells = Plan.of("a/b", PROMPT, {}).cells()

    assert [(cell.name, cell.input) for cell in cells] == [("a/b", PROMPT)]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "too many": ({"axes": {"a": "1-1000", "b": "1-1000"}}, "these are 1,000,000 requests"),
    "too many to look at": (
        {"axes": {"a": "1-1000", "b": "1-1001"}, "where": lambda _values: False},
        "where= can look at",
    ),
    "none": ({"axes": {"a": [1]}, "where": lambda _values: False}, "no combination is left"),
    "uneven": ({"axes": {"a": [1], "b": [1, 2]}, "mode": "zip"}, "as many values: a 1, b 2"),
    "mode": ({"axes": {"a": [1]}, "mode": "cross"}, "mode is 'grid' or 'zip'"),
    "sample": ({"axes": {"a": [1]}, "sample": 0}, "sample is at least 1"),
    "seeds": ({"axes": {"seed": [1]}, "seeds": 2}, "seeds are given twice"),
    "no seeds": ({"axes": {}, "seeds": 0}, "at least 1"),
    "one inside the other": ({"axes": {"size": [{}], "size.width": [1]}}, "both say what size.width is"),
    "not in the prompt": ({"axes": {"order": Permute("cat", "cow")}}, "'cow' does not stand in prompt"),
    "overlapping": ({"axes": {"order": Permute("the city", "city")}}, "overlap in prompt"),
    "no endpoint": ({"axes": {}, "endpoint": ""}, "no endpoint is given"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_plan_is_refused_before_anything_is_sent(case: str) -> None:
    """A plan that cannot be meant is one error."""
    given, message = REFUSED[case]

    with pytest.raises(InputError) as caught:
        Plan.of(**{"endpoint": "a/b", "input": PROMPT, **given}).cells()

    assert message in str(caught.value)


@pytest.mark.parametrize("lengths", [(1,), (9,), (5, 4), (3, 2, 7)])
def test_the_shape_of_a_grid_shows_early(lengths: tuple[int, ...]) -> None:
    """The corners are run first, every cell once, and each half of the order touches the whole width of each axis."""
    axes = {f"a{number}": list(range(length)) for number, length in enumerate(lengths)}
    cells = Plan.of("x/y", {}, axes).cells()
    ordered = [cell.position for cell in coarse_to_fine(cells, lengths)]
    corners = set(itertools.product(*({0, length - 1} for length in lengths)))

    assert sorted(ordered) == [cell.position for cell in cells]
    assert set(ordered[: len(corners)]) == corners
