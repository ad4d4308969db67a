"""`python -m tests.save_notebook [NOTEBOOK…]`: executes notebooks, and writes them with their outputs in their places.

What leads to whole files, beside the notebook or in nbkit's own store, is left out: the repository does not hold them.
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

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
_LINK = re.compile(rf'<a\b[^>]*\bhref="{ORIGINALS}/[^"]*"[^>]*>(.*?)</a>', re.DOTALL)
_NAME = re.compile(rf" *(?:{ORIGINALS}/[\w.]+|[~/]\S*/files/[0-9a-f]{{2}}/[0-9a-f]{{64}}[\w.]*),?")


def once(output: dict[str, Any]) -> dict[str, Any]:
    """The output with one copy of a picture: IPython keeps a Pillow picture as PNG, which is large, and as JPEG."""
    data = output.get("data", {})
    if "image/jpeg" in data:
        data.pop("image/png", None)
    return output


def without_links(value: Any) -> Any:
    """Outputs without what leads to the folder of whole files."""
    if isinstance(value, str):
        return _NAME.sub("", _LINK.sub(r"\1", value))
    if isinstance(value, list):
        return [without_links(it) for it in value]
    if isinstance(value, dict):
        return {name: without_links(it) for name, it in value.items()}
    return value


def save(notebook: Path) -> int:
    """Execute a notebook and write it."""
    with TemporaryDirectory() as folder:
        if code := main(["demo", str(notebook), "--out", folder]):
            return code
        (written,) = Path(folder).glob("*.ipynb")
        executed = json.loads(written.read_text(encoding="utf-8"))
    for cell in executed["cells"]:
        cell.get("metadata", {}).pop("execution", None)  # when each cell ran
        if cell["cell_type"] == "code":
            cell["outputs"] = without_links([once(output) for output in cell["outputs"]])
    notebook.write_text(json.dumps(executed, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    chosen = [Path(name) for name in sys.argv[1:]] or NOTEBOOKS
    sys.exit(max(map(save, chosen)))
