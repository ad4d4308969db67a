from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from nbkit.endpoints import code
from nbkit.endpoints.code import file_of, module_of, pickled, source_of, unpickled
from nbkit.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

NOTEBOOK = """
import functools, sys
from dataclasses import dataclass, field
from typing import Literal
import nbkit
from nbkit.endpoints.code import pickled
from pydantic import BaseModel

@dataclass
class Frame:
    width: int = 1
    tags: list[str] = field(default_factory=list)

class Size(BaseModel):
    width: int = 4
    frame: Frame = Frame()

FACTOR = 10

@functools.cache
def weights():
    return [FACTOR]

def helper(size: Size) -> int:
    return size.width * weights()[0]

@nbkit.endpoint("me/x")
def draw(size: Size, mode: Literal["a"] = "a", frame: Frame = Frame(0)) -> int:
    assert isinstance(frame, Frame) and isinstance(size.frame, Frame)
    return helper(size) + frame.width

assert pickled(draw, "draw") == pickled(draw, "draw")
sys.stdout.buffer.write(pickled(draw, "draw"))
"""


def test_a_function_goes_with_all_that_it_uses(tmp_path: Path) -> None:
    """Models, helpers, values and caches of a notebook arrive in another process."""
    script = tmp_path / "notebook.py"
    script.write_text(NOTEBOOK)
    content = subprocess.run([sys.executable, str(script)], capture_output=True, check=True).stdout
    made = unpickled(content)

    assert made.compute({"size": {"width": 3}}, None) == {"output": 30}
    assert made.compute({"size": {"width": 3}, "frame": {"width": 2}}, None) == {"output": 32}
    assert made(made._hints["size"](width=5)) == 50


def test_what_cannot_be_sent_is_named() -> None:
    """A lock, an open file, a connection: the message says what, and where to make it instead."""
    lock = threading.Lock()

    def draw() -> bool:
        return lock.locked()

    draw.__module__ = "__main__"
    with pytest.raises(InputError, match=r"draw uses 'lock', which cannot be sent .*lock") as caught:
        pickled(draw, "draw")
    assert "functools.cache" in caught.value.hint


def test_too_much_is_refused_and_the_largest_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights that were loaded in the notebook do not travel with every call."""
    monkeypatch.setattr(code, "MOST_PICKLED", 100_000)
    small, large = b"s" * 1000, b"l" * 200_000

    def draw() -> int:
        return len(small) + len(large)

    draw.__module__ = "__main__"
    with pytest.raises(InputError, match="the largest is 'large'") as caught:
        pickled(draw, "draw")
    assert "load it inside the function" in caught.value.hint


def test_a_file_is_imported_as_it_was_when_it_was_read(tmp_path: Path) -> None:
    """Beside the files that lie there, and with its own lines in tracebacks, whatever becomes of it."""
    (tmp_path / "beside.py").write_text("VALUE = 5\n")
    path = tmp_path / "mine_of_test_code.py"
    path.write_text("from beside import VALUE\ndef fail():\n    raise ValueError(VALUE)  # the line\n")
    content = source_of(path)
    path.unlink()
    module = module_of(content)

    assert file_of(content) == str(path)
    assert (module.VALUE, module.__name__, module.__file__) == (5, path.stem, str(path))
    with pytest.raises(ValueError, match="5") as caught:
        module.fail()
    assert "# the line" in str(caught.traceback[-1].statement)


def test_a_file_does_not_take_the_place_of_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is called like a module of Python is imported, and Python's stays what it is."""
    import json

    monkeypatch.setattr(sys, "path", list(sys.path))  # its folder comes first in a worker, not in later tests
    path = tmp_path / "json.py"
    path.write_text("VALUE = 1\n")

    assert module_of(source_of(path)).VALUE == 1
    assert sys.modules["json"] is json
