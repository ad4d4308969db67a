from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import nbkit
from nbkit.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

GOOD = b'{"nodes": {"a": {"app": "acme/gen", "input": {"x": "$input.x"}}}, "output": {"y": "$a.y"}}'


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b"\xff\xfe\x00", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (GOOD.replace(b'"$a.y"', b"NaN"), "NaN"),
        (GOOD.replace(b'"$a.y"', b"9" * 5000), "no JSON"),
        (b"3", "not an object"),
        (b"{}", "1 to 100 steps"),
        (GOOD + b" " * 2**20, "larger than 1 MiB"),
    ],
)
def test_a_file_that_is_no_workflow_is_one_clear_error(tmp_path: Path, content: bytes, says: str) -> None:
    """Whatever is in it."""
    path = tmp_path / "w.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=says):
        nbkit.workflow.load(path)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    """A folder, nothing, and a pipe that nobody writes to."""
    os.mkfifo(tmp_path / "pipe")
    for name in ("", "gone.json", "pipe"):
        with pytest.raises(InputError, match="no file"):
            nbkit.workflow.load(tmp_path / name)


@given(st.binary(max_size=40), st.integers(0, len(GOOD)), st.integers(0, 10))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
def test_a_damaged_file_is_read_or_refused(tmp_path: Path, noise: bytes, at: int, cut: int) -> None:
    """Bytes put in or taken out anywhere end in a workflow that can be looked at, or in an error of nbkit's."""
    path = tmp_path / "w.json"
    path.write_bytes(GOOD[:at] + noise + GOOD[at + cut :])
    try:
        flow = nbkit.workflow.load(path)
    except nbkit.NbkitError:
        return
    assert flow._repr_mimebundle_()["text/plain"]
    assert nbkit.workflow.read(flow.to_dict()) == flow


def test_a_value_that_json_has_not_is_not_written(tmp_path: Path) -> None:
    """One error, and no file."""
    for value in (float("nan"), object(), 10**5000):
        flow = nbkit.workflow("x")
        flow.run("acme/gen", {"x": value})
        with pytest.raises(InputError):
            flow.save(tmp_path / "x.json")

    assert list(tmp_path.glob("*")) == [tmp_path / "home"] or not list(tmp_path.glob("*.json"))
