"""The documentation says what is true: names in it are compared with what is installed."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import fal_client
import pytest

import nbkit

DOCS = Path(__file__).parent.parent / "docs"
COMPARISON = (DOCS / "comparison.md").read_text("utf-8")
PYTHON = COMPARISON.partition("## JavaScript")[0]
HANDLES = (fal_client.SyncRequestHandle, fal_client.AsyncRequestHandle)


def compared() -> dict[str, set[str]]:
    """Each name of the tables, with its options and what is said of each."""
    found: dict[str, set[str]] = {}
    names: list[str] = []
    for line in PYTHON.splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) != 3 or cells[0] in ("---", "fal_client"):
            continue
        names = re.findall(r"`(\w+)`", cells[0]) or names
        for name in names:
            found.setdefault(name, set()).update(re.findall(r"`(\w+)`", cells[1]))
    return found


def published() -> dict[str, Any]:
    """Every public name of fal's client, its clients' methods among them."""
    names = {
        name: getattr(fal_client, name) for name in {*fal_client.__all__, *vars(fal_client)} if name[0] != "_"
    }
    for kind, suffix in ((fal_client.SyncClient, ""), (fal_client.AsyncClient, "_async")):
        for name, thing in vars(kind).items():
            if name[0] != "_" and callable(thing):
                names.setdefault(name if name == "get_handle" else name + suffix, thing)
    return {
        name: thing for name, thing in names.items() if not inspect.ismodule(thing) and name != "annotations"
    }


def parameters(thing: Any) -> set[str]:
    """The options of a function or class that a caller may give."""
    if not (inspect.isclass(thing) or inspect.isroutine(thing)):
        return set()
    try:
        given = inspect.signature(thing).parameters.values()
    except (TypeError, ValueError):
        return set()
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {it.name for it in given if it.kind not in variable and it.name != "self" and it.name[0] != "_"}


@pytest.mark.parametrize("name", sorted(published()))
def test_every_method_and_option_of_fals_client_is_compared(name: str) -> None:
    """Who knows fal's client finds each of its names and options, and how nbkit does it, or why it does not."""
    assert name in compared(), f"docs/comparison.md does not name {name}"
    missing = parameters(published()[name]) - compared()[name]

    assert not missing, f"docs/comparison.md does not name {missing} of {name}"


@pytest.mark.parametrize("handle", HANDLES)
def test_every_method_of_a_handle_is_compared(handle: type) -> None:
    """So do the methods of a request handle."""
    methods = {name for name in dir(handle) if name[0] != "_" and callable(getattr(handle, name))}

    assert methods <= compared()[handle.__name__]


def test_the_comparison_is_complete_and_nothing_else() -> None:
    """No line speaks of what fal's client does not have."""
    assert set(compared()) == set(published())


@pytest.mark.parametrize("method", sorted(set(re.findall(r"`client\.(\w+)", COMPARISON))))
def test_each_method_that_is_named_exists(method: str) -> None:
    """What the page calls nbkit's way is there, in both clients."""
    assert callable(getattr(nbkit.Client, method))
    assert callable(getattr(nbkit.AsyncClient, method))


def test_each_public_name_is_documented() -> None:
    """The first page lists every public name and every method of a client."""
    page = (DOCS / "index.md").read_text("utf-8")
    methods = [name for name in vars(nbkit.Client) if name[0] != "_" and name != "close"]

    assert [name for name in nbkit.__all__ if f"`{name}`" not in page] == []
    assert [name for name in methods if f"`client.{name}(" not in page] == []


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    """Every page that another one names is there."""
    links = re.findall(r"\]\((?!https?://)([\w./-]+)", page.read_text("utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []
