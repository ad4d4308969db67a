"""Opening the database that several servers share: checked, and brought to the tables of today by numbered steps.

Each connection that writes has a number and holds the advisory lock of that number. PostgreSQL lets go of it when the
connection ends, however that ends, so the lock proves that a server is there to see its requests through.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from nbkit.errors import ServerError
from nbkit.server.secret import kept_secret

if TYPE_CHECKING:
    from pathlib import Path

CHANNEL = "nbkit"
LOCKS = 0x6E626B74  # the advisory locks of servers, by their numbers; and two that are no server's:
MIGRATING, FORGETTING = 0, -1
_OLDEST = 14  # the first PostgreSQL that ends connections which say nothing
_SECRETS = ("secret", "webhook-key", "dify-key", "token-key")
_LASTS: dict[
    str, Any
] = {  # a connection whose other end has gone is known to be dead after a quarter of a minute
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 15_000,
}

_MIGRATIONS = (
    """
    CREATE TABLE servers (
        number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        machine text NOT NULL, since timestamptz NOT NULL DEFAULT now()
    );
    CREATE TABLE requests (
        seq bigint NOT NULL, id text PRIMARY KEY, endpoint text NOT NULL, app text NOT NULL,
        stand_in text NOT NULL, priority integer NOT NULL, options jsonb NOT NULL, webhook text,
        submitted double precision NOT NULL, starts integer NOT NULL, ended double precision,
        expires double precision, seconds double precision, logs text, status integer, headers text, body bytea,
        owner integer NOT NULL, begun boolean NOT NULL DEFAULT false, cancel_asked boolean NOT NULL DEFAULT false
    );
    CREATE INDEX requests_open ON requests (owner) WHERE ended IS NULL OR webhook IS NOT NULL;
    CREATE INDEX requests_ended ON requests (ended, seq) WHERE ended IS NOT NULL;
    CREATE INDEX requests_expires ON requests (expires) WHERE expires IS NOT NULL;
    CREATE INDEX requests_named ON requests ((options ->> 'caller_name'));
    CREATE TABLE inputs (id text PRIMARY KEY, body bytea NOT NULL);
    CREATE UNLOGGED TABLE live (
        id text PRIMARY KEY, owner integer NOT NULL, position integer NOT NULL, logs text NOT NULL
    );
    CREATE TABLE secrets (name text PRIMARY KEY, content bytea NOT NULL);
    CREATE TABLE workflows (nickname text, name text, facts text NOT NULL, PRIMARY KEY (nickname, name));
    CREATE TABLE workflow_changes (nickname text PRIMARY KEY, number bigint NOT NULL)
    """,
)
"""The steps from an empty database to the tables of today; it knows how many it has taken (table `steps`)."""


def open_database(url: str, folder: Path) -> psycopg.Connection[Any]:
    """Connect for the first time, make what is missing, and let the folder have the secrets of the database.

    Raises:
        ServerError: It cannot be reached or written, it is not one for this, or the folder belongs to another.
    """
    try:
        connection = connect(url)
        try:
            with connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", (LOCKS, MIGRATING))
                _migrate(connection)
                _share_secrets(connection, folder)
        except BaseException:
            connection.close()
            raise
    except psycopg.errors.InsufficientPrivilege as error:
        raise ServerError(
            f"the database cannot be used: {reason(error, url)}",
            hint="its user has to be allowed to make a schema, or to own one named nbkit",
        ) from None
    except psycopg.OperationalError as error:
        raise ServerError(
            f"the database cannot be reached: {reason(error, url)}", hint="see --database"
        ) from None
    except psycopg.ProgrammingError:  # its words would repeat parts of the address, which may be the password
        raise ServerError(
            "--database cannot be read as an address", hint="write postgresql://user@host:5432/name"
        ) from None
    except psycopg.Error as error:
        raise ServerError(f"the database cannot be written: {reason(error, url)}") from None
    return connection


def connect(url: str) -> psycopg.Connection[Any]:
    """Connect once more, for reading and writing.

    Raises:
        psycopg.Error: It cannot be reached.
    """
    # Transactions say where they begin and end.
    connection = psycopg.connect(url, autocommit=True, application_name="nbkit", **_LASTS)
    connection.execute("SET search_path TO nbkit")
    return connection


async def connect_listener(url: str) -> psycopg.AsyncConnection[Any]:
    """Connect for hearing what other servers say.

    Raises:
        psycopg.Error: It cannot be reached.
    """
    connection = await psycopg.AsyncConnection.connect(
        url, autocommit=True, application_name="nbkit listens", **_LASTS
    )
    try:
        await connection.execute(f"LISTEN {CHANNEL}")
    except BaseException:
        await connection.close()
        raise
    return connection


def number_of(connection: psycopg.Connection[Any], silent_seconds: float) -> int:
    """Give a connection the number under which it owns requests, and the lock that proves it.

    Args:
        connection: The connection.
        silent_seconds: After how long without a word PostgreSQL shall take it for dead.
    """
    limit = f"{round(silent_seconds * 1000)}ms"
    for name in ("idle_session_timeout", "idle_in_transaction_session_timeout"):
        connection.execute("SELECT set_config(%s, %s, false)", (name, limit))
    with connection.transaction():  # nobody sees the number before its lock is held
        row = connection.execute(
            "INSERT INTO servers (machine) VALUES (%s) RETURNING number", (socket.gethostname(),)
        ).fetchone()
        number: int = row[0] if row else 0
        connection.execute("SELECT pg_advisory_lock(%s, %s)", (LOCKS, number))
    return number


def reason(error: BaseException, url: str = "") -> str:
    """What went wrong, in one line and without the password."""
    words = str(error).strip().partition("\n")[0] or type(error).__name__
    try:
        password = conninfo_to_dict(url).get("password")
    except psycopg.Error:
        password = None
    return words.replace(str(password), "…") if password else words


def _migrate(connection: psycopg.Connection[Any]) -> None:
    version, encoding = connection.info.server_version // 10_000, _one(connection, "SHOW server_encoding")
    if version < _OLDEST:
        raise ServerError(f"the database is PostgreSQL {version}; nbkit needs {_OLDEST} or newer")
    if encoding != "UTF8":
        raise ServerError(
            f"the database's encoding is {encoding}; nbkit needs UTF8",
            hint="make one with: createdb -E UTF8 -T template0 nbkit",
        )
    # Asked for first, because making a schema takes a right, even where it is there already.
    if _one(connection, "SELECT to_regnamespace('nbkit')") is None:
        connection.execute("CREATE SCHEMA nbkit")
    connection.execute("CREATE TABLE IF NOT EXISTS steps (taken integer NOT NULL)")
    taken = _one(connection, "SELECT coalesce(max(taken), 0) FROM steps")
    if taken > len(_MIGRATIONS):
        raise ServerError(
            "the database was written by a newer nbkit",
            hint="update nbkit on this machine, or use another database",
        )
    for step in _MIGRATIONS[taken:]:
        for statement in step.split(";"):
            connection.execute(statement)
    connection.execute("DELETE FROM steps")  # also shows whether it can be written
    connection.execute("INSERT INTO steps VALUES (%s)", (len(_MIGRATIONS),))


def _share_secrets(connection: psycopg.Connection[Any], folder: Path) -> None:
    """Let all servers sign alike: the first one's secrets are everybody's."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in _SECRETS:
        row = connection.execute("SELECT content FROM secrets WHERE name = %s", (name,)).fetchone()
        secret = kept_secret(folder / name, row[0] if row else None)
        if row is None:
            connection.execute("INSERT INTO secrets VALUES (%s, %s)", (name, secret))
        elif secret != row[0]:
            raise ServerError(
                f"{folder} belongs to another server than those of the database: {name} differs",
                hint="choose a new folder with --data-dir, or theirs",
            )


def _one(connection: psycopg.Connection[Any], query: str) -> Any:
    row = connection.execute(query).fetchone()
    return row and row[0]
