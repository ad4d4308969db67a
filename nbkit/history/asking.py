"""What `nbkit history` and `%nbkit history` take and tell: one grammar, one answer."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from nbkit import history
from nbkit.display import table
from nbkit.display.state import duration, mark
from nbkit.errors import InputError

if TYPE_CHECKING:
    from nbkit.history.record import RunRecord
    from nbkit.history.runs import Runs

_LIMIT = 20
# An option that changes nothing for an action is a slip: it is refused, not passed over.
_OPTIONS = {
    "search": ("endpoint", "status", "since", "limit", "json"),
    "show": ("json",),
    "star": (),
    "unstar": (),
    "note": (),
    "prune": ("older_than", "keep_starred", "yes"),
}
ACTIONS = tuple(name for name in _OPTIONS if name != "search")
"""The words that mean something else than what to look for, where they stand first."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what may follow `history`."""
    parser.add_argument(
        "words", nargs="*", metavar="TEXT", help=f"words of the input; or {', '.join(ACTIONS)} and an ID"
    )
    parser.add_argument("--endpoint", metavar="ID", help="what was called, or the beginning of it")
    parser.add_argument("--status", metavar="STATE", help="succeeded, failed, cancelled, unknown, running …")
    parser.add_argument("--since", metavar="WHEN", help="a date as 2026-11-22, or an age as 7d")
    parser.add_argument("--limit", type=int, metavar="N", help=f"how many at the most ({_LIMIT})")
    parser.add_argument("--json", action="store_true", default=None, help="as JSON")
    parser.add_argument("--older-than", metavar="AGE", help="prune: runs from before go (90d)")
    parser.add_argument(
        "--keep-starred", action=argparse.BooleanOptionalAction, help="prune: runs with a star stay (they do)"
    )
    parser.add_argument("--yes", action="store_true", default=None, help="prune: do it, not only tell")


def answer(given: argparse.Namespace) -> dict[str, Any]:
    """What there is to tell, as a MIME bundle.

    Raises:
        InputError: It was wrongly asked, or there is no such run.
        ConfigError: The history cannot be read, or not written.
    """
    action, *words = given.words if given.words and given.words[0] in ACTIONS else ("search", *given.words)
    strange = [
        name
        for name in sorted({name for names in _OPTIONS.values() for name in names} - {*_OPTIONS[action]})
        if getattr(given, name) is not None
    ]
    if strange:
        raise InputError(f"--{strange[0].replace('_', '-')} is not for `history {action}`", field=strange[0])
    if action == "search":
        found = history.search(
            " ".join(words),
            endpoint=given.endpoint,
            status=given.status,
            after=given.since,
            limit=_LIMIT if given.limit is None else given.limit,
        )
        return _json_of_runs(found) if given.json else _shown(found)
    if action == "prune":
        return _pruned(words, given)
    return _one(action, words, as_json=bool(given.json))


def _pruned(words: list[str], given: argparse.Namespace) -> dict[str, Any]:
    if words:
        raise InputError(
            f"`history prune` takes no {words[0][:60]!r}", hint="--older-than says which runs go"
        )
    keeps = given.keep_starred is not False
    gone = history.prune(given.older_than or "90d", keep_starred=keeps, dry_run=not given.yes)
    said = f"{gone.runs} runs and {gone.files} files of {gone.bytes / 1e6:.1f} MB"
    return table.bundle(f"{said} {'would go; --yes lets them go' if gone.dry_run else 'are gone'}", [])


def _one(action: str, words: list[str], *, as_json: bool) -> dict[str, Any]:
    if not words or (len(words) > 1 and action != "note"):
        raise InputError(f"`history {action}` takes the ID of one run", hint="`history` lists the latest")
    run_id = words[0]
    if action == "star":
        history.star(run_id)
    elif action == "unstar":
        history.unstar(run_id)
    elif action == "note":
        history.note(run_id, " ".join(words[1:]))
    record = history.get(run_id)
    return _json(record_facts(record)) if as_json else _details(record)


def record_facts(record: RunRecord) -> dict[str, Any]:
    """All that is known of a run, as plain values."""
    result = record.result
    about = {name: it for name, it in record.columns().items() if name not in ("pid", "process", "cell")}
    files = [{"place": it.place, "path": str(it.path or ""), "sha256": it.sha256} for it in record.media]
    return about | {"cell": record.cell, "output": None if result is None else result.data, "files": files}


def _details(record: RunRecord) -> dict[str, Any]:
    facts = [
        ("run", record.id),
        ("request", record.request_id),
        ("when", f"{record.when:%Y-%m-%d %H:%M:%S}"),
        ("took", "" if record.seconds is None else duration(record.seconds)),
        ("cost", "" if record.cost is None else f"{record.cost:.4g}"),
        ("stand-in", record.stand_in),
        ("error", record.error),
        ("notebook", record.notebook),
        ("note", record.note),
        *(
            (name, value if isinstance(value, str) else json.dumps(value))
            for name, value in record.input.items()
        ),
    ]
    rows: list[tuple[object, object]] = [(name, value) for name, value in facts if value]
    pictures: list[object] = [""] * len(rows)
    for media in record.media:
        rows.append((media.place, str(media.path or media.problem)))
        pictures.append(media.thumbnail() if media.is_image and media.path else "")
    star_ = "★ " if record.starred else ""
    return table.pictured(
        f"{mark(record.state)} {star_}{record.endpoint}  {record.state}", rows, ("what", "value"), pictures
    )


def _shown(found: Runs) -> dict[str, Any]:
    """The runs, and what they took together."""
    shown, totals = found._repr_mimebundle_(), found.totals._repr_mimebundle_()
    if not found:
        return shown
    return {
        "text/plain": f"{shown['text/plain']}\n\n{totals['text/plain']}",
        "text/html": f"{shown['text/html']}{totals['text/html']}",
    }


def _json_of_runs(found: Runs) -> dict[str, Any]:
    return _json({"runs": found.to_records(), "totals": found.totals.to_records()})


def _json(value: Any) -> dict[str, Any]:
    return {"text/plain": json.dumps(value, ensure_ascii=False, indent=2, default=str)}
