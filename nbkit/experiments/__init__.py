"""Experiments: one input, some axes, many runs; what came out, seen and counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbkit.experiments.axes import Permute, Presets, Replace
    from nbkit.experiments.ballots import read_ballots
    from nbkit.experiments.pinned import Pinned
    from nbkit.experiments.repro import reproducibility
    from nbkit.experiments.sweep import Sweep

__all__ = ["Permute", "Pinned", "Presets", "Replace", "Sweep", "read_ballots", "reproducibility"]

_HOMES = {
    "Permute": "nbkit.experiments.axes",
    "Pinned": "nbkit.experiments.pinned",
    "Presets": "nbkit.experiments.axes",
    "Replace": "nbkit.experiments.axes",
    "Sweep": "nbkit.experiments.sweep",
    "read_ballots": "nbkit.experiments.ballots",
    "reproducibility": "nbkit.experiments.repro",
}


def __getattr__(name: str) -> Any:
    """Load a name where it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'nbkit.experiments' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
