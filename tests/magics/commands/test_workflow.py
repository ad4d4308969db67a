from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from IPython.core.error import UsageError

import nbkit

if TYPE_CHECKING:
    from pathlib import Path

    from tests.magics.conftest import Shell


def test_a_file_is_drawn_and_checked(shell: Shell, tmp_path: Path) -> None:
    """The drawing, and below it what is wrong, each with its place."""
    flow = nbkit.workflow("cat", title="A cat")
    flow.run("local/upscale", image_url=flow.run("local/collage", promt="a cat").images[0].url)
    flow.save(tmp_path / "my cat.json")
    drawn, told = shell.cell('%nbkit workflow "my cat.json"').outputs

    assert drawn.data["text/plain"].startswith("A cat  2 steps")
    assert 'role="img"' in drawn.data["text/html"]
    assert "✕ collage.promt" in told.data["text/plain"]
    assert "✕ output" in told.data["text/plain"]


@pytest.mark.parametrize(
    ("line", "says"), [("", "say which file"), ("gone.json", "there is no file gone.json")]
)
def test_what_is_no_workflow_is_one_line(shell: Shell, line: str, says: str) -> None:
    """Of text, without a traceback."""
    with pytest.raises(UsageError, match=says):
        shell.cell(f"%nbkit workflow {line}")
