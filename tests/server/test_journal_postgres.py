from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from nbkit.server.journal import Entry, JournalFailed, TakenOver
from nbkit.server.journal_postgres import PostgresJournal
from nbkit.server.run_rows import entry_of
from nbkit.server.runs import Outcome, Run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@asynccontextmanager
async def journals(database: str, tmp_path: Path, count: int = 2) -> AsyncIterator[list[PostgresJournal]]:
    """Some servers' journals in one database."""
    opened = [PostgresJournal(database, tmp_path, silent_seconds=20) for _ in range(count)]
    try:
        yield opened
    finally:
        for journal in opened:
            await journal.close()


def request(number: int = 1, **facts: Any) -> Entry:
    """A new request."""
    run = Run(endpoint="lab/echo", app="lab/echo", given={}, **facts)
    run.seq = number
    return entry_of(run)


def ended(entry: Entry, body: bytes = b"{}") -> Entry:
    """The same, with its end."""
    facts: dict[str, Any] = {"ended": time.time(), "expires": time.time() + 60, "status": 200, "body": body}
    return entry._replace(**facts, headers="{}", starts=1)


def cut(database: str, journal: PostgresJournal) -> None:
    """End the connection of a server."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s",
            (journal.number,),
        )


def rows(database: str, query: str) -> list[tuple[Any, ...]]:
    """What stands in the database."""
    with psycopg.connect(database) as connection:
        return connection.execute(f"SELECT {query} FROM nbkit.requests ORDER BY seq").fetchall()  # noqa: S608 - our own words


async def test_of_many_servers_one_takes_over_what_another_left(database: str, tmp_path: Path) -> None:
    """All look at the same moment; each request goes to one of them, with its input."""
    async with journals(database, tmp_path, 4) as (first, *others):
        entries = [request(number) for number in range(50)]
        await asyncio.gather(*(first.add(entry, b'{"a": 1}') for entry in entries))
        assert await others[0].unfinished() == []
        await first.close()
        claimed = await asyncio.gather(*(other.unfinished() for other in others))
        owners = {row[0] for row in rows(database, "owner")}

        assert sorted(map(len, claimed)) == [0, 0, 50]
        assert [entry.id for entry in max(claimed, key=len)] == [entry.id for entry in entries]
        assert owners == {other.number for other, got in zip(others, claimed, strict=True) if got}
        assert await others[0].given(entries[7].id) == b'{"a": 1}'


async def test_a_server_that_comes_back_keeps_what_nobody_took(database: str, tmp_path: Path) -> None:
    """Its connection was cut; the next write goes through, under a new number, and nothing is refused."""
    async with journals(database, tmp_path) as (journal, other):
        entry = request()
        await journal.add(entry, b"{}")
        before = journal.number
        cut(database, journal)
        second = request(2)
        await journal.add(second, b"{}")
        await journal.write(ended(entry))
        taken = await other.unfinished()

        assert journal.number != before
        assert taken == []
        assert rows(database, "ended IS NOT NULL") == [(True,), (False,)]


async def test_what_another_took_over_cannot_be_written_any_more(database: str, tmp_path: Path) -> None:
    """Neither its end nor its webhook; the server is told which."""
    async with journals(database, tmp_path) as (journal, other):
        lost: list[set[str]] = []
        journal.on_lost = lost.append
        entry, kept = request(), request(2)
        await asyncio.gather(journal.add(entry, b"{}"), journal.add(kept, b"{}"))
        with psycopg.connect(database) as connection:
            connection.execute("UPDATE nbkit.requests SET owner = %s WHERE id = %s", (other.number, entry.id))
        results = await asyncio.gather(
            *(journal.write(ended(each, b"mine")) for each in (entry, kept)), return_exceptions=True
        )
        await other.write(ended(entry, b"theirs"))

        assert [type(result) for result in results] == [TakenOver, type(None)]
        assert lost == [{entry.id}]
        assert rows(database, "body") == [(b"theirs",), (b"mine",)]


async def test_a_request_that_was_refused_is_not_found_later(database: str, tmp_path: Path) -> None:
    """Its answer was lost on the way, and its caller told that it was not taken: nobody may compute it."""
    async with journals(database, tmp_path) as (journal, other):
        entry = request()
        await journal.add(entry, b"{}")
        journal._own.discard(entry.id)
        journal._doubtful.add(entry.id)
        cut(database, journal)
        await journal.last()

        assert rows(database, "id") == []
        assert await other.unfinished() == []


async def test_one_bad_request_of_a_batch_does_not_take_the_others_along(
    database: str, tmp_path: Path
) -> None:
    """PostgreSQL has no texts with a zero in them."""
    async with journals(database, tmp_path, 1) as (journal,):
        entries = [request(), request(2)._replace(endpoint="lab/\0"), request(3)]
        results = await asyncio.gather(
            *(journal.add(entry, b"{}") for entry in entries), return_exceptions=True
        )

        assert [isinstance(result, JournalFailed) for result in results] == [False, True, False]
        assert len(rows(database, "id")) == 2
        assert await journal.named("a\0b") == []


async def test_results_are_forgotten_as_there_may_be_and_by_their_size(database: str, tmp_path: Path) -> None:
    """The oldest first, over all servers together; what has not ended stays."""
    async with journals(database, tmp_path) as servers:
        entries = [request(number) for number in range(8)]
        for number, entry in enumerate(entries):
            await servers[number % 2].add(entry, b"{}")
        for number, entry in enumerate(entries[:7]):
            await servers[number % 2].write(ended(entry, bytes(10))._replace(ended=float(number)))
        await servers[0].forget(runs=5, size=1000)
        after = rows(database, "seq")
        await servers[1].forget(runs=5, size=30)

        assert after == [(2,), (3,), (4,), (5,), (6,), (7,)]
        assert rows(database, "seq") == [(4,), (5,), (6,), (7,)]


async def test_what_comes_back_is_what_was_written(database: str, tmp_path: Path) -> None:
    """Every column, also those that are empty."""
    async with journals(database, tmp_path, 1) as (journal,):
        run = Run(endpoint="lab/é", app="lab/é", given={}, caller_name="näme", file_seconds=3.5)
        run.seq, run.webhook = 7, ("http://example.org/a", "http://127.0.0.1")
        await journal.add(entry_of(run), None)
        run.start()
        run.expires = time.time() + 60
        end = entry_of(run, Outcome(200, bytes(range(256)), {"a": "b"}))
        await journal.write(end)
        found = await journal.ended(run.id)

        assert found
        assert found._replace(options="") == end._replace(options="")
        assert [row[0] for row in await journal.named("näme")] == [run.id]
        with pytest.raises(JournalFailed, match="is not in the database"):
            await journal.given(run.id)
