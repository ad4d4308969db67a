"""One Dify app, and what goes to and fro between it and this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbkit.config import data_dir
from nbkit.history.files import FileStore
from nbkit.providers.dify import DifyService
from nbkit.providers.dify_app import DifyAppService
from nbkit.providers.dify_files import DifyCollector, DifyUploader
from nbkit.providers.dify_forms import DifyForms
from nbkit.providers.outputs import Collector
from nbkit.wire.fal.addresses import Hosts

if TYPE_CHECKING:
    from nbkit.providers.dify_connection import Connection

ANYBODY = "nbkit"
"""Who asks, where a client was not told: the same every time, so that a run can be stopped later."""


@dataclass(slots=True)
class DifyLine:
    """One app.

    Attributes:
        service: The conversation.
        uploader: Input files.
        collector: Output files.
        app: What it tells of itself.
        forms: What it takes.
        tasks: The id of each run begun here → the id it is stopped by.
        is_embedded: Whether it is an app of the server beside the notebook.
    """

    service: DifyService
    uploader: DifyUploader
    collector: DifyCollector
    app: DifyAppService
    forms: DifyForms
    tasks: dict[str, str]
    is_embedded: bool = False

    @classmethod
    def to(cls, connection: Connection, user: str | None, *, is_embedded: bool = False) -> DifyLine:
        """A line to an app."""
        service = DifyService(connection, user or ANYBODY)
        app = DifyAppService(service)
        # Files may lie on the server's own machine, though that is a private one.
        near = Hosts.of_origin(connection.place.origin)
        collector = Collector(service.transport, FileStore(data_dir() / "files"), near)
        files = DifyUploader(service), DifyCollector(service, collector)
        return cls(service, *files, app, DifyForms(app), {}, is_embedded)
