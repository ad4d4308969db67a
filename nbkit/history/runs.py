"""Runs of the past side by side: as a list, a table, a data frame, and what they took together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

from nbkit.model.records import Records, data_frame

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbkit.history.record import RunRecord

_HEADS = ("when", "endpoint", "input", "picture", "status", "seed", "seconds", "cost", "id")
_SHORT_ID = 8
_SHOWN = 200


class Runs(Sequence["RunRecord"]):
    """Runs, the latest first. In a notebook they show themselves as a table."""

    def __init__(self, records: Iterable[RunRecord]) -> None:
        self._records = tuple(records)

    def to_records(self) -> list[dict[str, Any]]:
        """The runs as dicts of plain values: columns of the history, and each name of the input as `input.NAME`."""
        return [_row(record) for record in self._records]

    def to_pandas(self) -> Any:
        """The runs as a data frame, one row for each.

        Raises:
            ConfigError: pandas is not installed.
        """
        return data_frame(self.to_records(), "to_records()")

    @property
    def totals(self) -> Records:
        """What these runs took together, by endpoint: seconds and cost as far as known, the dearest first.

        A cost is None where it is known of no run; `without cost` counts those that ended well and have none.
        """
        by_endpoint: dict[str, list[RunRecord]] = {}
        for record in self._records:
            by_endpoint.setdefault(record.endpoint, []).append(record)
        rows = [_total(endpoint, many) for endpoint, many in by_endpoint.items()]
        rows.sort(key=lambda it: (-(it["cost"] or 0), -it["seconds"], it["endpoint"]))
        return Records(f"{len(self)} runs", list(_total("", [])), rows)

    @overload
    def __getitem__(self, index: int) -> RunRecord: ...
    @overload
    def __getitem__(self, index: slice) -> Runs: ...
    def __getitem__(self, index: int | slice) -> RunRecord | Runs:
        return Runs(self._records[index]) if isinstance(index, slice) else self._records[index]

    def __len__(self) -> int:
        return len(self._records)

    def __repr__(self) -> str:
        return f"<{len(self)} runs>"

    def _repr_mimebundle_(self, **_choice: Any) -> dict[str, Any]:
        from nbkit.display import table
        from nbkit.display.card import framed

        shown = self._records[:_SHOWN]
        more = f"{len(self) - len(shown)} more runs are not shown" if len(self) > len(shown) else ""
        rows = [_cells(record) for record in shown]
        lines = [[cell for head, cell in zip(_HEADS, row, strict=True) if head != "picture"] for row in rows]
        heads = [head for head in _HEADS if head != "picture"]
        if not rows:
            return table.bundle("no runs", [])
        for record, row in zip(shown, rows, strict=True):
            row[_HEADS.index("picture")] = _thumbnail(record)
        page = framed(table.html(rows, _HEADS))
        return {
            "text/plain": "\n".join(filter(None, (table.text(lines, heads), more))),
            "text/html": f"{page}{table.bundle(more, [])['text/html'] if more else ''}",
        }


def _total(endpoint: str, records: list[RunRecord]) -> dict[str, Any]:
    costs = [record.cost for record in records if record.cost is not None]
    well = [record for record in records if record.state == "succeeded"]
    return {
        "endpoint": endpoint,
        "runs": len(records),
        "succeeded": len(well),
        "seconds": sum(record.seconds or 0.0 for record in records),
        "cost": sum(costs) if costs else None,
        "without cost": sum(record.cost is None for record in well),
    }


def _row(record: RunRecord) -> dict[str, Any]:
    names = ("id", "request_id", "endpoint", "provider", "state", "seed", "seconds", "billable_units", "cost")
    more = ("stand_in", "error", "notebook", "sweep", "starred", "note", "input_sha256")
    about = {name: getattr(record, name) for name in names}
    return (
        about
        | {"when": record.when, "files": [str(media.path) for media in record.media if media.path]}
        | {name: getattr(record, name) for name in more}
        | {f"input.{name}": value for name, value in record.input.items()}
    )


def _cells(record: RunRecord) -> list[object]:
    said = record.input.get("prompt") or ", ".join(f"{name}: {value}" for name, value in record.input.items())
    return [
        f"{'★ ' if record.starred else ''}{record.when:%Y-%m-%d %H:%M}",
        record.endpoint,
        "\n".join(filter(None, (str(said)[:300], record.note))),
        "",
        f"{record.state}: {record.error}"[:200] if record.error else record.state,
        "" if record.seed is None else record.seed,
        "" if record.seconds is None else f"{record.seconds:.1f}",
        _money(record.cost),
        (record.request_id or record.id)[:_SHORT_ID],
    ]


def _thumbnail(record: RunRecord) -> object:
    pictures = record.images if record.state == "succeeded" else ()
    return pictures[0].thumbnail() if pictures else ""


def _money(cost: float | None) -> str:
    return "" if cost is None else f"{cost:.4g}"
