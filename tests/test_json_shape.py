from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from tests.dify_recordings import NEW, OLD, recording
from tests.json_shape import differences, joined, shape

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("seen", "got", "told"),
    [
        ([{"a": 1}], {"a": 2}, []),
        ([{"a": 1}], {"a": "2"}, ["$.a is string, not integer"]),
        ([{"a": 1}], {"a": 1.0}, ["$.a is number, not integer"]),
        ([{"a": 1}], {"a": True}, ["$.a is bool, not integer"]),
        ([{"a": 1}], {"a": None}, ["$.a is null, not integer"]),
        ([{"a": 1}, {"a": None}], {"a": None}, []),
        ([{"a": None}], {"a": 1}, ["$.a is integer, not null"]),
        ([{"a": 1, "b": 2}], {"a": 1}, ["$.b is missing"]),
        ([{"a": 1, "b": 2}, {"a": 1}], {"a": 1}, []),
        ([{"a": 1}], {"a": 1, "b": 2}, ["$.b is new"]),
        ([{"a": [1]}], {"a": []}, []),
        ([{"a": []}], {"a": [1]}, ["$.a[] has items"]),
        ([{"a": [{"b": 1}]}], {"a": [{"b": 1}, {"c": 1}]}, ["$.a[].b is missing", "$.a[].c is new"]),
        ([{"outputs": {"x": 1}}], {"outputs": {"y": "z"}}, []),
        ([{"outputs": {"x": 1}}], {"outputs": None}, ["$.outputs is null"]),
        ([[1]], {"a": 1}, ["$ is object, not array"]),
    ],
)
def test_what_differs_is_told(seen: list[Any], got: Any, told: list[str]) -> None:
    """Keys that are missing or new and types that were never seen are told with their place, and nothing else is."""
    assert list(differences(joined(map(shape, seen)), shape(got), free=["outputs"])) == told


@given(st.lists(JSON, min_size=1, max_size=4))
def test_an_example_has_the_shape_of_all(examples: list[Any]) -> None:
    """None of the examples differs from what was seen in all of them."""
    seen = joined(map(shape, examples))

    for example in examples:
        assert not list(differences(seen, shape(example)))


def test_two_recordings_of_one_thing_are_alike_and_of_two_versions_are_not() -> None:
    """Two blocking answers of one server have one shape; those of two versions differ where the versions do."""
    first, second, old = (
        shape(recording(name).json)
        for name in (
            f"{NEW}/01-image-blocking.http",
            f"{NEW}/15-loop-blocking.http",
            f"{OLD}/04-run-detail.http",
        )
    )

    assert not list(differences(first, second, free=["outputs"]))
    assert list(differences(shape(recording(f"{NEW}/04-run-detail.http").json), old, free=["outputs"])) == [
        "$.created_at is string, not integer",
        "$.finished_at is string, not integer",
        "$.outputs is string",
    ]
