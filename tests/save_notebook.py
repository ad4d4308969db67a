"""`python -m tests.save_notebook`: executes the notebook that is kept with its outputs, and writes it in its place.

The previews in it link to whole files in a folder beside the notebook, which the repository does not hold: these links
are left out.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from nbkit.cli import main
from nbkit.history.files import ORIGINALS

SAVED = Path(__file__).parent.parent / "notebooks" / "03-dify.ipynb"
_LINK = re.compile(rf'<a\b[^>]*\bhref="{ORIGINALS}/[^"]*"[^>]*>(.*?)</a>', re.DOTALL)
_NAME = re.compile(rf" *{ORIGINALS}/[\w.]+")


def without_links(value: Any) -> Any:
    """Outputs without what leads to the folder of whole files."""
    if isinstance(value, str):
        return _NAME.sub("", _LINK.sub(r"\1", value))
    if isinstance(value, list):
        return [without_links(it) for it in value]
    if isinstance(value, dict):
        return {name: without_links(it) for name, it in value.items()}
    return value


def save() -> int:
    """Execute and write."""
    with TemporaryDirectory() as folder:
        if code := main(["demo", str(SAVED), "--out", folder]):
            return code
        executed = json.loads((Path(folder) / "dify.ipynb").read_text(encoding="utf-8"))
    for cell in executed["cells"]:
        cell.get("metadata", {}).pop("execution", None)  # when each cell ran
        if cell["cell_type"] == "code":
            cell["outputs"] = without_links(cell["outputs"])
    SAVED.write_text(json.dumps(executed, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(save())
