"""Brings back the cell that made a file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbkit.config import data_dir
from nbkit.errors import InputError, MediaError
from nbkit.history.files import FileStore
from nbkit.magics.cell import cell_for
from nbkit.magics.command import Command, Told
from nbkit.model.recipe import Recipe
from nbkit.model.saving import read_recipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nbkit.magics.command import Call

_HASH = "sha256:"


def recall(call: Call) -> Told:
    """Write the cell that makes a saved picture or file again."""
    name = call.text.strip().strip("\"'")
    if not name:
        raise InputError("say which file: %nbkit recall cat.png")
    try:
        recipe = read_recipe(name) or _remembered(name)
    except MediaError as error:
        raise InputError(str(error)) from error
    if recipe is None:
        raise InputError(
            f"{name} carries no recipe, and no run of the history gave it",
            hint="what `save` writes carries one, unless something has taken it out",
        )
    missing: list[str] = []
    given = _with_files(_with_seed(recipe), FileStore(data_dir() / "files"), missing)
    call.notebook.shell.set_next_input(cell_for(recipe.endpoint, given))
    return Told(f"{Path(name).name}: the cell that makes it again stands below", list(_rows(recipe, missing)))


def _remembered(name: str) -> Recipe | None:
    """The recipe of a file that was saved without one, where the history knows the run that gave it."""
    from nbkit.history.queries import from_file

    run = from_file(name)
    if run is None or isinstance(run, Recipe):
        return run
    recipe = Recipe(
        endpoint=run.endpoint,
        input=run.input,
        seed=run.seed,
        request_id=run.request_id,
        provider=run.provider,
        stand_in=run.stand_in,
        software=f"nbkit {run.nbkit}",
        time=datetime.fromtimestamp(run.ended or run.created, UTC).isoformat(timespec="seconds"),
    )
    return Recipe.read(recipe.text())


def _rows(recipe: Recipe, missing: list[str]) -> Iterator[tuple[str, str]]:
    yield "endpoint", recipe.endpoint
    if recipe.stand_in:
        yield "stand-in", recipe.stand_in
    for label, value in (("request id", recipe.request_id), ("made", recipe.time), ("by", recipe.software)):
        if value:
            yield label, value
    for sha256 in missing:
        yield "not on this machine", f"the input file {sha256}: put it in by hand"


def _with_seed(recipe: Recipe) -> Mapping[str, Any]:
    """The input, with the seed that the model chose where none was given."""
    if recipe.seed is None or "seed" in recipe.input or recipe.provider == "dify":
        return recipe.input
    return {**recipe.input, "seed": recipe.seed}


def _with_files(value: Any, store: FileStore, missing: list[str]) -> Any:
    """The input with the kept files in place of their hashes; what is not kept is noted."""
    if isinstance(value, dict):
        return {name: _with_files(inner, store, missing) for name, inner in value.items()}
    if isinstance(value, list):
        return [_with_files(inner, store, missing) for inner in value]
    if not isinstance(value, str) or not value.startswith(_HASH):
        return value
    path = store.find(value.removeprefix(_HASH))
    if path is None:
        missing.append(value)
    return str(path or value)


COMMANDS = (Command("recall", recall, takes="FILE"),)
