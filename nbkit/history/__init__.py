"""Every run ever made from this machine, on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbkit.history.marks import note, star, unstar
    from nbkit.history.packing import Packed, pack
    from nbkit.history.pruning import Pruned, prune
    from nbkit.history.queries import from_file, get, search
    from nbkit.history.record import RunRecord
    from nbkit.history.runs import Runs
    from nbkit.history.unpacking import Unpacked, unpack

__all__ = [
    "Packed",
    "Pruned",
    "RunRecord",
    "Runs",
    "Unpacked",
    "from_file",
    "get",
    "note",
    "pack",
    "prune",
    "resume",
    "resume_run",
    "search",
    "star",
    "unpack",
    "unstar",
]

_HOMES = {
    "Packed": "nbkit.history.packing",
    "Pruned": "nbkit.history.pruning",
    "RunRecord": "nbkit.history.record",
    "Runs": "nbkit.history.runs",
    "Unpacked": "nbkit.history.unpacking",
    "from_file": "nbkit.history.queries",
    "get": "nbkit.history.queries",
    "note": "nbkit.history.marks",
    "pack": "nbkit.history.packing",
    "prune": "nbkit.history.pruning",
    # Above this room: named, and not imported, because it asks the services.
    "resume": "nbkit.client.resume",
    "resume_run": "nbkit.client.resume",
    "search": "nbkit.history.queries",
    "star": "nbkit.history.marks",
    "unpack": "nbkit.history.unpacking",
    "unstar": "nbkit.history.marks",
}


def __getattr__(name: str) -> Any:
    """Load a name where it is first used: sqlite3 costs what most programs never need."""
    if name not in _HOMES:
        raise AttributeError(f"module 'nbkit.history' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
