"""Saved workflows in the database that several servers share.

A number grows with every change, so that a server sees by one small question whether it knows the workflows of now.
It asks whenever somebody calls or lists some, because what one server has saved the next may be asked for at once.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

from nbkit.errors import InputError
from nbkit.server.saved_workflows import SavedWorkflow, SavedWorkflows

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg

    from nbkit.server.catalogue import Catalogue
    from nbkit.server.journal_postgres import PostgresJournal

    Connection = psycopg.Connection[Any]


class SharedWorkflows(SavedWorkflows):
    """The workflows in one database.

    Args:
        journal: The database.
        folder: Those of a server that had no database; they are left alone.
        nickname: Whose they are.
        catalogue: Is told of each, so that it can be called.
    """

    def __init__(self, journal: PostgresJournal, folder: Path, nickname: str, catalogue: Catalogue) -> None:
        super().__init__(folder, nickname, catalogue)
        self._journal = journal
        self._known = 0  # the number of the change that is known

    def load(self) -> None:
        """Nothing: `refresh` reads them."""

    async def refresh(self) -> None:
        """Learn of what other servers have saved.

        Raises:
            JournalFailed: The database cannot be read.
        """

        def read(connection: Connection) -> tuple[int, list[tuple[str]] | None]:
            query = "SELECT number FROM workflow_changes WHERE nickname = %s"
            row = connection.execute(query, (self.nickname,)).fetchone()
            number: int = row[0] if row else 0
            if number == self._known:
                return number, None
            query = "SELECT facts FROM workflows WHERE nickname = %s"
            return number, connection.execute(query, (self.nickname,)).fetchall()

        number, rows = await self._journal.order(read)
        if rows is None or number < self._known:  # a later question was answered before
            return
        before = {workflow.name for workflow in self.all()}
        for row in rows:
            with contextlib.suppress(ValueError, RecursionError, AttributeError, InputError):
                facts = json.loads(row[0])
                workflow = SavedWorkflow.read(facts, created_at=str(facts.get("created_at", "")))
                before.discard(workflow.name)
                self._answer(workflow)
        for name in before:
            self._forget(name)
        self._known = number

    async def _keep(self, workflow: SavedWorkflow, *, anew: bool) -> bool:
        query = (
            "INSERT INTO workflows VALUES (%s, %s, %s) ON CONFLICT (nickname, name)"
            " DO UPDATE SET facts = excluded.facts WHERE NOT %s RETURNING name"
        )
        facts = (self.nickname, workflow.name, json.dumps(workflow.facts()), anew)

        def write(connection: Connection) -> bool:
            if connection.execute(query, facts).fetchone() is None:
                return False
            self._count(connection)
            return True

        return bool(await self._journal.order(write))

    async def _drop(self, name: str) -> None:
        query = "DELETE FROM workflows WHERE nickname = %s AND name = %s"

        def write(connection: Connection) -> None:
            connection.execute(query, (self.nickname, name))
            self._count(connection)

        await self._journal.order(write)

    def _count(self, connection: Connection) -> None:
        connection.execute(
            "INSERT INTO workflow_changes VALUES (%s, 1)"
            " ON CONFLICT (nickname) DO UPDATE SET number = workflow_changes.number + 1",
            (self.nickname,),
        )
