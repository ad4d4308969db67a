"""A process that tells what users' files and packages declare, so that the server itself never runs their code.

Started by `nbkit.server.own_endpoints` as `python -m nbkit.server.describe FILE`, or with `--packages`. It writes one
JSON object to standard output: `endpoints`, each with `id`, `name` and the facts of `Declared`, and `problems`, a list
of sentences. What the code prints goes to standard error.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from nbkit.endpoints.code import module_of, source_of
from nbkit.endpoints.declare import Declared, keeping_faulty
from nbkit.errors import NbkitError

PACKAGES = "--packages"
GROUP = "nbkit.endpoints"


def main(word: str) -> None:
    """Describe one file, or all packages."""
    told = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    with keeping_faulty():
        endpoints, problems = _packages() if word == PACKAGES else _file(Path(word))
    json.dump({"endpoints": endpoints, "problems": problems}, told)
    told.flush()
    os._exit(0)  # threads of users' code must not keep it


def _file(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    try:
        found = _in_module(module_of(source_of(path)))
    except BaseException as error:  # noqa: BLE001 - whatever the code raises is what is told
        return [], [f"{path}{_place(error, path)}: {_words(error)}"]
    if not found:
        return [], [f"{path} declares no endpoint: put @nbkit.endpoint('me/my-model') above a function of it"]
    return found, []


def _packages() -> tuple[list[dict[str, Any]], list[str]]:
    found: list[dict[str, Any]] = []
    problems = []
    for point in entry_points(group=GROUP):
        try:
            thing = point.load()
            if isinstance(thing, ModuleType):
                found += [{**it, "name": f"{thing.__name__}:{it['name']}"} for it in _in_module(thing)]
            elif isinstance(thing, Declared):
                found.append(_facts(thing, f"{point.module}:{point.attr}"))
            else:
                problems.append(f"the entry point {point.name} = {point.value} is no endpoint and no module")
        except BaseException as error:  # noqa: BLE001 - one package must not keep the others
            problems.append(f"the entry point {point.name} = {point.value}: {_words(error)}")
    return found, problems


def _in_module(module: ModuleType) -> list[dict[str, Any]]:
    found = {id(thing): (name, thing) for name, thing in vars(module).items() if isinstance(thing, Declared)}
    return [_facts(thing, name) for name, thing in found.values()]


def _facts(thing: Declared[..., Any], name: str) -> dict[str, Any]:
    return {"id": thing.id, "name": name, **thing.facts}


def _place(error: BaseException, path: Path) -> str:
    """Where in a file something went wrong."""
    if isinstance(error, SyntaxError) and error.lineno:
        return f", line {error.lineno}"
    here = str(path.resolve())
    lines = [it.lineno for it in traceback.extract_tb(error.__traceback__) if it.filename == here]
    return f", line {lines[-1]}" if lines else ""


def _words(error: BaseException) -> str:
    said = (
        " ".join(str(error).split())[:400]
        if isinstance(error, NbkitError)
        else f"{error}".partition("\n")[0][:400]
    )
    return said if isinstance(error, NbkitError) else f"{type(error).__name__}: {said}"


if __name__ == "__main__":
    main(sys.argv[1])
