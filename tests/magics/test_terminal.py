"""IPython in a real terminal, typed into as a person does."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Any

import pexpect
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Any]:
    """IPython with nbkit in it, in an empty folder."""
    settings = {"IPYTHONDIR": str(tmp_path / "ipython"), "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}
    child = pexpect.spawn(
        sys.executable,
        ["-m", "IPython", "--colors=nocolor", "--no-banner", "--no-confirm-exit"],
        env={**os.environ, **settings},
        cwd=str(tmp_path),
        dimensions=(40, 120),
        encoding="utf-8",
        timeout=40,
    )
    child.expect(r"In \[1\]")
    child.send("%load_ext nbkit\r")
    child.expect(r"In \[2\]")
    yield child
    child.close(force=True)


def test_a_cell_is_typed_with_tab_and_shown_as_text(terminal: Any) -> None:
    """TAB completes the endpoint, one line moves while the run goes on, and the card is text with the file's path."""
    terminal.send("%generate local/col\t")
    terminal.expect("local/collage|lage")
    terminal.send(" a cat\r")
    terminal.expect(r"In \[3\]")
    seen = terminal.before

    assert "\r\x1b[K○  local/collage  submitting" in seen
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen)
    assert re.search(r"✓  local/collage  succeeded", shown)
    assert re.search(r"images\.0  \d+ × \d+  /\S+\.png", shown)
    assert "Traceback" not in shown
