"""Generative-media APIs in Jupyter: a cell becomes a picture, live, and stays in the notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbkit import history, webhooks
    from nbkit.client.async_client import AsyncClient
    from nbkit.client.client import Client
    from nbkit.client.run import Run, Stream
    from nbkit.endpoints.declare import endpoint
    from nbkit.endpoints.running import log
    from nbkit.errors import NbkitError
    from nbkit.experiments.repro import repro
    from nbkit.experiments.sweep import Sweep
    from nbkit.experiments.voting import vote
    from nbkit.magics.form import form
    from nbkit.model.media import Media
    from nbkit.model.result import Result
    from nbkit.model.saving import read_recipe
    from nbkit.model.schema import Schema
    from nbkit.model.table import table
    from nbkit.providers.files import data_uri
    from nbkit.server.serving import serve
    from nbkit.widgets.compare import compare
    from nbkit.widgets.gallery import gallery
    from nbkit.widgets.watch import watch
    from nbkit.workflows.workflow import workflow

__version__ = "0.1.0"

__all__ = [
    "AsyncClient",
    "Client",
    "Media",
    "NbkitError",
    "Result",
    "Run",
    "Schema",
    "Stream",
    "Sweep",
    "__version__",
    "compare",
    "data_uri",
    "endpoint",
    "form",
    "gallery",
    "history",
    "load_ipython_extension",
    "log",
    "read_recipe",
    "repro",
    "serve",
    "table",
    "unload_ipython_extension",
    "vote",
    "watch",
    "webhooks",
    "workflow",
]

_HOMES = {
    "AsyncClient": "nbkit.client.async_client",
    "Client": "nbkit.client.client",
    "Media": "nbkit.model.media",
    "NbkitError": "nbkit.errors",
    "Result": "nbkit.model.result",
    "Run": "nbkit.client.run",
    "Schema": "nbkit.model.schema",
    "Stream": "nbkit.client.run",
    "Sweep": "nbkit.experiments.sweep",
    "compare": "nbkit.widgets.compare",
    "data_uri": "nbkit.providers.files",
    "endpoint": "nbkit.endpoints.declare",
    "form": "nbkit.magics.form",
    "gallery": "nbkit.widgets.gallery",
    "history": "nbkit.history",
    "log": "nbkit.endpoints.running",
    "read_recipe": "nbkit.model.saving",
    "repro": "nbkit.experiments.repro",
    "serve": "nbkit.server.serving",
    "table": "nbkit.model.table",
    "vote": "nbkit.experiments.voting",
    "watch": "nbkit.widgets.watch",
    "webhooks": "nbkit.webhooks",
    "workflow": "nbkit.workflows.workflow",
}


def __getattr__(name: str) -> Any:
    """Load a public name where it is first used, so that importing nbkit costs next to nothing (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'nbkit' has no attribute {name!r}")
    from importlib import import_module

    module = import_module(_HOMES[name])
    return module if _HOMES[name] == f"nbkit.{name}" else getattr(module, name)


def __dir__() -> list[str]:
    return sorted(__all__)


def load_ipython_extension(shell: Any) -> None:
    """Give a shell the magics: `%load_ext nbkit`."""
    from nbkit.magics.extension import load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Take them away again: `%unload_ext nbkit`."""
    from nbkit.magics.extension import unload

    unload(shell)
