"""Results side by side, as rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbkit.errors import InputError
from nbkit.model.result import Result

if TYPE_CHECKING:
    from collections.abc import Iterable

_UNBROKEN = ("size", "seed", "seconds")
_COLUMNS = ("endpoint", "prompt", "picture", "size", "seed", "seconds", "file")


class Table:
    """Results as the rows of a table, one for each picture.

    Attributes:
        results: What is shown.
    """

    def __init__(self, results: Iterable[Result]) -> None:
        self.results = tuple(results)

    def to_records(self) -> list[dict[str, Any]]:
        """The rows as dicts, for a data frame: `pandas.DataFrame(table.to_records())`."""
        return [record for result in self.results for record in _records(result)]

    def __repr__(self) -> str:
        from nbkit.display import table

        heads = [name for name in _COLUMNS if name != "picture"]
        return table.text([[_word(record, name) for name in heads] for record in self.to_records()], heads)

    def _repr_mimebundle_(self, **_choice: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        from nbkit.display import table
        from nbkit.display.card import framed
        from nbkit.display.markup import element

        rows = []
        for result in self.results:
            pictures = result.images or (None,)
            for record, picture in zip(_records(result), pictures, strict=True):
                words: dict[str, Any] = {name: _word(record, name) for name in record}
                words["picture"] = picture.thumbnail() if picture else ""
                for name in _UNBROKEN:
                    words[name] = element("span", words[name], style="white-space:nowrap")
                rows.append([words[name] for name in _COLUMNS])
        shown = {"text/plain": repr(self), "text/html": str(framed(table.html(rows, _COLUMNS)))}
        return shown, {
            "text/html": {"nbkit": [result.facts()["text/html"]["nbkit"] for result in self.results]}
        }

    def __len__(self) -> int:
        return len(self.to_records())


def table(*results: Result | Iterable[Result]) -> Table:
    """Put results side by side.

    Args:
        results: Results, or lists of them.

    Raises:
        InputError: Something among them is no result.
    """
    flat: list[Result] = []
    for item in results:
        inner = [item] if isinstance(item, Result) else list(item)
        for result in inner:
            if not isinstance(result, Result):
                raise InputError(f"{type(result).__name__} is not a result", field="results")
            flat.append(result)
    return Table(flat)


def _word(record: dict[str, Any], name: str) -> Any:
    return "" if record[name] is None else record[name]


def _records(result: Result) -> list[dict[str, Any]]:
    about = {
        "endpoint": result.endpoint,
        "prompt": result.input.get("prompt"),
        "seed": result.seed,
        "seconds": round(result.seconds, 1),
        "request_id": result.request_id,
        "stand_in": result.stand_in,
    }
    records = [
        about
        | {
            "size": f"{picture.width} × {picture.height}",
            "file": picture.name,
            "path": picture.path,
        }
        for picture in result.images
    ]
    return records or [about | {"size": None, "file": None, "path": None}]
