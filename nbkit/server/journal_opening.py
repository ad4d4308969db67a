"""Where a server writes down what it has to remember: its own file, or the database that it shares with others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbkit.errors import ServerError
from nbkit.server.journal_sqlite import SqliteJournal

if TYPE_CHECKING:
    from nbkit.server.cluster import Cluster
    from nbkit.server.journal import Journal
    from nbkit.server.service import Service


def open_journal(service: Service) -> tuple[Journal[Any], Cluster | None]:
    """Open what the server's settings name; with a database, what it has to do with the others comes along.

    Raises:
        ServerError: It cannot be used.
    """
    settings = service.settings
    if not settings.database:
        return SqliteJournal(settings.data_dir), None
    try:
        from nbkit.server.cluster import Cluster
        from nbkit.server.journal_postgres import PostgresJournal
    except ImportError as error:
        raise ServerError(
            "--database needs the package psycopg", hint="pip install 'nbkit-media[postgres]'"
        ) from error
    url = settings.database
    journal = PostgresJournal(url, settings.data_dir, silent_seconds=settings.silent_seconds)
    return journal, Cluster(service, journal, url)
