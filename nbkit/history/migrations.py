"""The steps from an empty file to the tables of today; a file knows how many it has taken (`user_version`).

A step that was released is never changed: another one is added. Each has its file in `tests/history/versions`.
"""

from __future__ import annotations

STEPS: tuple[tuple[str, ...], ...] = (
    (
        # What is looked through stands before what is long, which SQLite keeps on pages of its own.
        """
        CREATE TABLE runs (
            seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, endpoint TEXT NOT NULL, provider TEXT NOT NULL,
            way TEXT NOT NULL, origin TEXT NOT NULL DEFAULT '', state TEXT NOT NULL, seed TEXT,
            input_sha256 TEXT NOT NULL, sweep TEXT, created REAL NOT NULL, accepted REAL, ended REAL,
            seconds REAL, billable_units REAL, cost REAL, stand_in TEXT NOT NULL DEFAULT '', starred INTEGER
            NOT NULL DEFAULT 0, notebook TEXT NOT NULL DEFAULT '', nbkit TEXT NOT NULL, python TEXT NOT NULL,
            pid INTEGER NOT NULL, process TEXT NOT NULL, request_id TEXT NOT NULL DEFAULT '',
            task_id TEXT NOT NULL DEFAULT '', status_url TEXT NOT NULL DEFAULT '',
            response_url TEXT NOT NULL DEFAULT '', cancel_url TEXT NOT NULL DEFAULT '',
            error_type TEXT NOT NULL DEFAULT '', error TEXT NOT NULL DEFAULT '', note TEXT NOT NULL DEFAULT '',
            text TEXT NOT NULL DEFAULT '', input TEXT NOT NULL, metrics TEXT, result TEXT, result_sha256 TEXT,
            cell TEXT NOT NULL DEFAULT ''
        )
        """,
        "CREATE INDEX runs_endpoint ON runs (endpoint)",
        "CREATE INDEX runs_created ON runs (created)",
        "CREATE INDEX runs_request ON runs (request_id) WHERE request_id != ''",
        "CREATE INDEX runs_input ON runs (input_sha256)",
        "CREATE INDEX runs_seed ON runs (seed) WHERE seed IS NOT NULL",
        "CREATE INDEX runs_sweep ON runs (sweep) WHERE sweep IS NOT NULL",
        "CREATE INDEX runs_notebook ON runs (notebook) WHERE notebook != ''",
        "CREATE INDEX runs_starred ON runs (starred) WHERE starred",
        "CREATE INDEX runs_open ON runs (state) WHERE state NOT IN ('succeeded', 'failed', 'cancelled')",
        "CREATE TABLE events (id INTEGER PRIMARY KEY, run INTEGER NOT NULL, body TEXT NOT NULL)",
        "CREATE INDEX events_run ON events (run)",
        """
        CREATE TABLE files (
            id INTEGER PRIMARY KEY, run INTEGER NOT NULL, role TEXT NOT NULL, place TEXT NOT NULL,
            sha256 TEXT NOT NULL, path TEXT NOT NULL, url TEXT NOT NULL, content_type TEXT NOT NULL,
            file_name TEXT NOT NULL, size INTEGER, width INTEGER, height INTEGER, problem TEXT NOT NULL
        )
        """,
        "CREATE INDEX files_run ON files (run)",
        "CREATE INDEX files_sha256 ON files (sha256)",
        """
        CREATE VIRTUAL TABLE words USING fts5 (
            endpoint, text, error, note, content='runs', content_rowid='seq',
            tokenize='unicode61 remove_diacritics 2', prefix='2 3'
        )
        """,
        """
        CREATE TRIGGER words_insert AFTER INSERT ON runs BEGIN
            INSERT INTO words (rowid, endpoint, text, error, note)
            VALUES (new.seq, new.endpoint, new.text, new.error, new.note);
        END
        """,
        """
        CREATE TRIGGER words_update AFTER UPDATE OF endpoint, text, error, note ON runs BEGIN
            INSERT INTO words (words, rowid, endpoint, text, error, note)
            VALUES ('delete', old.seq, old.endpoint, old.text, old.error, old.note);
            INSERT INTO words (rowid, endpoint, text, error, note)
            VALUES (new.seq, new.endpoint, new.text, new.error, new.note);
        END
        """,
        """
        CREATE TRIGGER words_delete AFTER DELETE ON runs BEGIN
            INSERT INTO words (words, rowid, endpoint, text, error, note)
            VALUES ('delete', old.seq, old.endpoint, old.text, old.error, old.note);
        END
        """,
    ),
)
