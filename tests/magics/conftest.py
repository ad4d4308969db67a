from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import CapturedIO, capture_output
from traitlets.config import Config

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Shell(InteractiveShell):
    """A shell that raises what a cell raises, and keeps what it shows."""

    def cell(self, text: str) -> CapturedIO:
        """Run a cell and return what it showed."""
        with capture_output() as shown:
            outcome = self.run_cell(text)  # type: ignore[no-untyped-call]
        outcome.raise_error()
        return shown


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """A fresh shell with nbkit in it, without a key, in an empty folder."""
    for name in ("FAL_KEY", "FAL_KEY_ID", "FAL_KEY_SECRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NBKIT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.chdir(tmp_path)
    settings = Config()
    settings.HistoryManager.enabled = False
    Shell.clear_instance()
    shell: Any = Shell.instance(config=settings)
    shell.run_line_magic("load_ext", "nbkit")
    yield shell
    Shell.clear_instance()
    InteractiveShell.clear_instance()
