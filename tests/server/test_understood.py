from __future__ import annotations

from typing import Any

from hypothesis import given, strategies as st

from nbkit.server.endpoints import own_endpoints
from nbkit.server.understood import understood
from nbkit.server.validation import LIMITS, check_schema, problems

_STRUCTURE = ["type", "enum", "anyOf", "properties", "required", "items", "additionalProperties", "nullable"]
_OTHERS = ["title", "default", "examples", "ui", "$ref", "not", "a"]
_WORDS = st.sampled_from([*LIMITS, *_STRUCTURE, *_OTHERS])
_LEAVES = (
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers(-2, 4)
    | st.just(10**400)
    | st.sampled_from(["string", "integer", "object", "array", "null", "a", ""])
)
_SCHEMAS = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=6),
    max_leaves=30,
)


def test_what_the_server_s_own_endpoints_say_is_understood_in_full() -> None:
    """Nothing of a schema in the known words is lost."""
    for entry in own_endpoints():
        assert understood(entry.input) == entry.input


def test_what_is_not_understood_is_left_out() -> None:
    """A word that is not known, or a type that is none, does not make the rest useless."""
    said = {"type": "tuple", "minimum": "3", "maximum": 4, "pattern": "x", "multipleOf": 0, "minItems": 1.5}

    assert understood(said) == {"maximum": 4}
    assert understood("string") == {}
    assert understood({"maximum": float("nan"), "minimum": -float("inf"), "multipleOf": 10**400}) == {}


@given(st.dictionaries(_WORDS, _SCHEMAS, max_size=8), _LEAVES | st.dictionaries(_WORDS, _LEAVES))
def test_whatever_a_schema_says_inputs_can_be_checked_by_it(schema: Any, value: Any) -> None:
    """A schema from anywhere ends in an answer, never in an error of the server's own."""
    kept = understood(schema)
    check_schema(kept, "a workflow")

    assert all(entry["msg"] for entry in problems(value, kept))


@given(st.sampled_from(sorted(LIMITS)), st.integers(1, 5), st.integers(-3, 8))
def test_a_limit_that_is_understood_is_kept(word: str, bound: int, value: int) -> None:
    """The verdict with the rest left out is the verdict of the limit."""
    kind = "integer"
    alone = {"type": kind, word: bound}

    assert problems(value, understood({**alone, "pattern": "x"})) == problems(value, alone)
