"""`nbkit demo`: executes a notebook in a real kernel and leaves it, with its pictures, as notebook and as a page."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbkit.errors import NbkitError
from nbkit.history.notebook import runs_told

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

_CELL_TIMEOUT = 300


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("demo", help="execute a notebook and write it out with its pictures")
    parser.add_argument(
        "notebook",
        nargs="?",
        type=Path,
        default=Path("notebooks/01-quickstart.ipynb"),
        help="default: %(default)s",
    )
    parser.add_argument("--out", type=Path, default=Path("build"), metavar="DIR", help="default: %(default)s")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Execute, write, and print what ran."""
    source: Path = arguments.notebook
    if not source.is_file():
        raise NbkitError(f"there is no notebook {source}", hint="run it in the folder that holds `notebooks`")
    name = source.stem.partition("-")[2] or source.stem
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    notebook = _execute(source, out)
    ipynb, page = out / f"{name}.ipynb", out / f"{name}.html"
    ipynb.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    page.write_text(_as_page(notebook), encoding="utf-8")
    runs = list(_runs(notebook))
    _print_table(runs)
    print(f"\n{len(runs)} runs in {time.monotonic() - began:.0f} s")
    print(f"open {page.resolve()}\n  or {ipynb.resolve()}")
    return 0


def _execute(source: Path, out: Path) -> dict[str, Any]:
    try:
        import nbclient
        import nbformat
    except ImportError as error:
        raise NbkitError(
            f"executing a notebook needs {error.name}", hint="pip install 'nbkit-media[all]'"
        ) from error
    notebook = nbformat.read(source, as_version=4)
    client = nbclient.NotebookClient(
        notebook,
        timeout=_CELL_TIMEOUT,
        kernel_name="python3",
        resources={"metadata": {"path": str(out)}},
        extra_arguments=["--log-level=ERROR"],
    )
    try:
        client.execute()
    except nbclient.exceptions.CellExecutionError as error:
        text = str(error).strip().splitlines()
        raise NbkitError(f"a cell of {source} failed:\n" + "\n".join(text[-12:])) from error
    # Pictures stand in the outputs themselves; nothing needs the state of widgets that are closed.
    notebook.metadata.pop("widgets", None)
    executed: dict[str, Any] = notebook
    return executed


def _as_page(notebook: Any) -> str:
    from nbconvert import HTMLExporter

    page: str = HTMLExporter(embed_images=True).from_notebook_node(notebook)[0]
    return page


def _runs(notebook: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What the outputs say of the runs that made them, each run once."""
    seen: set[str] = set()
    for _cell, run in runs_told(notebook):
        if run["request_id"] not in seen:
            seen.add(run["request_id"])
            yield run


def _print_table(runs: list[dict[str, Any]]) -> None:
    rows = [("endpoint", "seconds", "picture", "file")]
    for run in runs:
        files = run.get("files") or [{}]
        for index, file in enumerate(files):
            size = f"{file['width']}×{file['height']}" if file.get("width") else ""
            lead = (run["endpoint"], f"{run['seconds']:.1f}") if index == 0 else ("", "")
            rows.append((*lead, size, file.get("name", "")))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
