from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hypothesis import given, strategies as st

from nbkit.experiments.lines import append, parsed, read

if TYPE_CHECKING:
    from pathlib import Path


def test_rows_are_added_and_read_again(tmp_path: Path) -> None:
    """What was written comes back, in its order, also from a folder that was not there."""
    path = tmp_path / "new" / "a.jsonl"
    append(path, [{"name": "猫", "value": 1.5}])
    append(path, [{"name": "b"}, {"name": "c"}])

    assert read(path) == [{"name": "猫", "value": 1.5}, {"name": "b"}, {"name": "c"}]
    assert read(tmp_path / "none.jsonl") == []


def test_a_line_that_was_cut_costs_no_other(tmp_path: Path) -> None:
    """When a kernel dies in the middle of a line, every line before and after it stays."""
    path = tmp_path / "a.jsonl"
    append(path, [{"number": 1}])
    with path.open("a") as file:
        file.write('{"number": 2, "na')
    append(path, [{"number": 3}])

    assert read(path) == [{"number": 1}, {"number": 3}]


@given(st.binary())
def test_any_bytes_can_be_read(content: bytes) -> None:
    """Whatever a file holds, it is JSON or nothing."""
    found = parsed(content)

    assert found is None or json.loads(content) == found


def test_what_json_does_not_have_is_nothing() -> None:
    """Numbers without a value and nesting without an end are no JSON."""
    assert parsed(b'{"a": NaN}') is None
    assert parsed(b"[" * 200_000) is None
