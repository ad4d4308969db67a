"""The page about own models does what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "own-models.md").read_text("utf-8")


def test_every_example_runs(tmp_path: Path) -> None:
    """The page's code, from its top to its end, gives what its comments say."""
    lines = []
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        for line in block.splitlines():
            said = re.fullmatch(r"(\S.*?)  # (.+)", line)
            lines.append(f"assert ({said[1]}) == {said[2]}, {said[1]}" if said else line)
    script = tmp_path / "page.py"
    script.write_text("\n".join(lines), "utf-8")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)

    assert script.read_text("utf-8").count("assert (") == 4
    assert (done.returncode, done.stderr) == (0, "")
