"""What a server remembers: in its own folder, or in the database that it shares with others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from nbkit.errors import ServerError
from nbkit.server.journal_sqlite import SqliteJournal
from nbkit.server.saved_workflows import SavedWorkflows

if TYPE_CHECKING:
    from nbkit.server.cluster import Cluster
    from nbkit.server.journal import Journal
    from nbkit.server.service import Service


class Records(NamedTuple):
    """What a server remembers.

    Attributes:
        journal: Its requests.
        saved: The workflows that callers have saved.
        cluster: What it has to do with other servers, None where it shares nothing with any.
    """

    journal: Journal[Any]
    saved: SavedWorkflows
    cluster: Cluster | None


def open_records(service: Service) -> Records:
    """Open what a server's settings name.

    Raises:
        ServerError: It cannot be used.
    """
    settings = service.settings
    facts = (settings.data_dir / "workflows", settings.nickname, service.catalogue)
    if not settings.database:
        return Records(SqliteJournal(settings.data_dir), SavedWorkflows(*facts), None)
    try:
        from nbkit.server.cluster import Cluster
        from nbkit.server.journal_postgres import PostgresJournal
        from nbkit.server.shared_workflows import SharedWorkflows
    except ImportError as error:
        raise ServerError(
            "--database needs the package psycopg", hint="pip install 'nbkit-media[postgres]'"
        ) from error
    url = settings.database
    journal = PostgresJournal(url, settings.data_dir, silent_seconds=settings.silent_seconds)
    return Records(journal, SharedWorkflows(journal, *facts), Cluster(service, journal, url))
