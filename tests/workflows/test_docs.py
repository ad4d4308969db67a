from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbkit

if TYPE_CHECKING:
    import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "workflows.md").read_text("utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_every_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The page's examples, one after the other, as a reader would run them, on the embedded server."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for example in EXAMPLES:
        exec(example, names)  # noqa: S102 - the page is ours

    assert names["flow"].check().is_fine
    assert names["run"].result()["large"]["width"] == 2 * names["run"].result().data["cutout"]["width"]
    assert names["endpoint"] == "workflows/local/postcard"
    printed = capsys.readouterr().out
    assert 'did you mean "prompt"' in printed
    assert "write collage.images[0].url" in printed
    assert "more than 4" in printed


def test_every_method_is_on_the_page() -> None:
    """What can be done with a workflow, and how it is read."""
    public = [
        name
        for name in vars(nbkit.workflow)
        if name[0] != "_" and name not in ("name", "title", "definition")
    ]

    assert [it for it in public if f"flow.{it}(" not in PAGE and f"nbkit.workflow.{it}(" not in PAGE] == []
