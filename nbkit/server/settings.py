"""What can be set about a server, with the limits that it keeps."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbkit.config import data_dir
from nbkit.errors import ConfigError
from nbkit.model.address import is_loopback, origin
from nbkit.server.model_folders import VARIABLE
from nbkit.stores.address import check_url
from nbkit.wire.dify.era import era_of

if TYPE_CHECKING:
    from pathlib import Path

MiB = 2**20
_LEAST = {  # the option of each limit, and the least that it takes
    "max_json_bytes": ("--max-body", 1),
    "max_queued": ("--max-queued", 1),
    "max_runs_per_user": ("--max-runs-per-user", 0),
    "max_connections": ("--max-connections", 1),
    "drain_seconds": ("--drain-seconds", 0),
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How one server runs.

    Attributes:
        host: Address to listen on.
        port: Port to listen on, 0 for any that is free.
        data_dir: Folder for files, secrets and the journal of requests; one server's alone.
        models_dirs: Folders below which callers may name models of this machine's disk, as absolute paths.
        key: The key that callers must show, an empty string for none.
        keys_file: The file of further keys, each of a user who sees only requests of their own; None for none.
        workers: How many requests are computed at once; None for as many as there are places.
        executor: What runs requests in place of processes of this machine: a `concurrent.futures.Executor`, a function
            that makes one (anew where it broke), a `distributed.Client`, or `dask://host:8786`.
        worker_host: The address of this machine that an executor's workers call, an empty string for the one by which
            it reaches a Dask scheduler, else loopback.
        allowed_hosts: Names besides loopback's that callers may use for this server.
        allowed_origins: Origins besides those of this machine whose pages may call without a key.
        endpoint_files: Python files whose functions it answers, too.
        takes_functions: Whether who has the key may hand over functions to be run, as a kernel does.
        nickname: The user that workflows are saved under, as `workflows/{nickname}/{name}`.
        max_json_bytes: Largest JSON body.
        max_upload_bytes: Largest uploaded file.
        max_queued: Most requests that wait at once.
        max_runs_per_user: Most requests of one user that wait or are computed at once, 0 for no such limit.
        max_connections: Most open connections, None for three quarters of the files that this process may open.
        body_seconds: Within which a JSON body has to come.
        time_limit: Seconds that one request may compute.
        memory_limit: Bytes that a worker and what it starts may hold, None for three quarters of the machine's.
        cancel_grace: Seconds that a model has to stop by itself before its process is ended.
        keep_alive: Seconds of silence on an event stream before a comment is sent.
        queued_bytes: How large the inputs that wait may be in memory, as JSON; those of the queue beyond that wait on
            the disk, direct calls beyond that are refused.
        realtime_idle: Seconds without an input after which a realtime session ends.
        kept_seconds: How long a finished request can be asked for.
        kept_large_seconds: The same where its result has 10 kB or more.
        kept_runs: How many finished requests can be asked for.
        kept_bytes: How large their results may be together.
        kept_file_seconds: How long uploaded and made files are kept, at most.
        kept_file_bytes: How large they may be together; the oldest go first.
        dify_version: Which Dify the workflow API speaks like: `0.6` or `1.13`.
        dify_ping: Seconds between two signs of life on its event streams.
        store: The address of a store for files that several servers and workers share; an empty string for `data_dir`.
        database: Address of the PostgreSQL database that several servers share, an empty string for a file of this
            server's own.
        silent_seconds: After how long without a word to that database other servers take over what this one does.
        drain_seconds: Seconds that running requests have to end once the server was told to, 0 for none.
        webhook_delay: Seconds before a webhook that was not taken is sent again; doubled each time.
    """

    host: str = "127.0.0.1"
    port: int = 8188
    data_dir: Path = field(default_factory=lambda: data_dir() / "server")
    models_dirs: tuple[Path, ...] = ()
    key: str = ""
    keys_file: Path | None = None
    workers: int | None = None
    executor: Any = None
    worker_host: str = ""
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    endpoint_files: tuple[Path, ...] = ()
    takes_functions: bool = False
    nickname: str = "local"
    max_json_bytes: int = 16 * MiB
    max_upload_bytes: int = 1024 * MiB
    max_queued: int = 10_000
    max_runs_per_user: int = 0
    max_connections: int | None = None
    body_seconds: float = 600.0
    time_limit: float = 600.0
    memory_limit: int | None = None
    cancel_grace: float = 1.0
    keep_alive: float = 15.0
    queued_bytes: int = 64 * MiB
    # fal keeps results for an hour, large ones for six minutes. Here they cost only this machine's disk, and a
    # notebook that was left in the evening is looked at in the morning.
    kept_seconds: float = 86_400.0
    kept_large_seconds: float = 86_400.0
    realtime_idle: float = 300.0
    kept_runs: int = 10_000
    kept_bytes: int = 512 * MiB
    kept_file_seconds: float = 30 * 86_400.0
    kept_file_bytes: int = 20 * 1024 * MiB
    dify_version: str = "1.13"
    dify_ping: float = 10.0
    store: str = ""
    drain_seconds: float = 30.0
    webhook_delay: float = 1.0
    database: str = field(default="", repr=False)  # it may hold a password
    silent_seconds: float = 20.0

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise ConfigError(f"--workers is {self.workers}; a server needs at least one")
        for folder in self.models_dirs:
            if not folder.is_absolute() or not folder.is_dir():
                raise ConfigError(f"--models-dir (or {VARIABLE}) names {folder}, which is no folder here")
        era_of(self.dify_version)
        if self.store:
            check_url(self.store)
        if self.database and not self.database.startswith(("postgresql://", "postgres://")):
            raise ConfigError(
                "--database is no address of PostgreSQL", hint="write postgresql://user@host:5432/name"
            )
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", self.nickname):
            raise ConfigError(f"--nickname is {self.nickname[:80]!r}; it takes letters, digits, _ and -")
        for allowed in self.allowed_origins:
            if not allowed.startswith(("http://", "https://")) or origin(allowed) != allowed:
                raise ConfigError(
                    f"--allow-origin is {allowed[:80]!r}, which is no origin",
                    hint="write scheme, host and port alone: https://lab.example",
                )
        self._check_limits()
        if not self.key and not self.keys_file and not self.on_loopback:
            raise ConfigError(
                f"{self.host} can be reached from other machines, and without a key anybody could use this server",
                hint="pass --key KEY (or set NBKIT_SERVER_KEY) or --keys-file FILE, or listen on 127.0.0.1",
            )

    def _check_limits(self) -> None:
        for name, (option, least) in _LEAST.items():
            if (value := getattr(self, name)) is not None and not least <= value < float("inf"):
                raise ConfigError(f"{option} is {value}; it takes {least} or more")

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return is_loopback(f"http://{f'[{self.host}]' if ':' in self.host else self.host}")
