from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, strategies as st

from nbkit.errors import InputError
from nbkit.magics.values import read, typed

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7", 7),
        ("-7", -7),
        ("0.5", 0.5),
        (".5", 0.5),
        ("1e-3", 0.001),
        ("true", True),
        ("False", False),
        ("null", None),
        ("None", None),
        ('"7"', "7"),
        ("'true'", "true"),
        ('"a \\"b\\""', 'a "b"'),
        ('"C:\\data"', "C:\\data"),
        ("[1, 2]", [1, 2]),
        ('{"width": 512}', {"width": 512}),
        ("square_hd", "square_hd"),
        ("a cat, a dog", "a cat, a dog"),
        ("007", "007"),
        ("1_000", "1_000"),
        ("1e999", "1e999"),
        ("NaN", "NaN"),
        ("16:9", "16:9"),
        ("[red] car", "[red] car"),
        ("{{name}}", "{{name}}"),
        ("", ""),
        ("夕日", "夕日"),
    ],
)
def test_a_value_is_what_it_looks_like(text: str, value: Any) -> None:
    """Numbers, words and JSON are read as such, everything else stays text."""
    assert typed(text) == value
    assert type(typed(text)) is type(value)


@given(JSON)
def test_all_json_means_itself(value: Any) -> None:
    """Whatever can be sent can be written down as JSON."""
    assert typed(json.dumps(value)) == value
    assert read(f"{json.dumps(value)} rest", 0)[0] == value


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    """No text breaks the reader: it is a value, or an error that explains itself."""
    with suppress(InputError):
        typed(text)


@pytest.mark.parametrize(
    "text", ["{width: 512}", "[1, 2,]", "{'a': 1}", '{"a": NaN}', "[" * 5000 + "]" * 5000]
)
def test_broken_json_is_refused(text: str) -> None:
    """A list or an object with a slip in it is not sent as text."""
    with pytest.raises(InputError, match="JSON"):
        typed(text)
