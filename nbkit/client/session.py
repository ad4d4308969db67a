"""What a client holds on the network thread: one line to each service it speaks with."""

from __future__ import annotations

import asyncio
import os
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbkit.client.dify_line import DifyLine
from nbkit.config import cache_dir, data_dir, is_replay
from nbkit.credentials import WAYS_TO_GIVE_A_KEY, Key, find_fal_key, look_in_colab
from nbkit.endpoints.declare import declared
from nbkit.errors import ConfigError, CredentialsError, InputError, NotInHistory
from nbkit.history.files import FileStore
from nbkit.providers.dify_connection import Connection, connections, find_connection
from nbkit.providers.embedded import EMBEDDED, LOCAL_APPS, embedded_app, embedded_server
from nbkit.providers.fal import FalService
from nbkit.providers.functions import Functions
from nbkit.providers.outputs import Collector
from nbkit.providers.prices import Prices
from nbkit.providers.schema_cache import SchemaCache
from nbkit.providers.schemas import Schemas
from nbkit.providers.uploads import Uploader
from nbkit.transport.loop import at_exit, hand_over
from nbkit.wire.dify.addresses import Place
from nbkit.wire.fal.addresses import Hosts
from nbkit.wire.fal.openapi import is_fal
from nbkit.wire.fal.pricing import PLATFORM

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbkit.client.run import Run
    from nbkit.model.endpoint import Endpoint

PROVIDERS = ("auto", "fal", "local")
_EXIT_GRACE = 1.5


@dataclass(slots=True)
class Line:
    """One service, and what goes to and fro between it and this machine.

    Attributes:
        service: The conversation.
        uploader: Input files.
        collector: Output files.
        schemas: What its endpoints take and give.
        prices: What they cost.
        is_embedded: Whether it is the server beside the notebook.
        functions: This process's own functions, for that server.
    """

    service: FalService
    uploader: Uploader
    collector: Collector
    schemas: Schemas
    prices: Prices
    functions: Functions
    is_embedded: bool = False

    @classmethod
    def to(cls, hosts: Hosts, key: Key | None, unknown_hint: str, *, is_embedded: bool = False) -> Line:
        """A line to the service at some addresses."""
        service = FalService(hosts, key, unknown_hint=unknown_hint)
        store = FileStore(data_dir() / "files")
        # The embedded server is always there, and its address is another every time.
        cache = None if is_embedded else SchemaCache(cache_dir() / "schemas")
        schemas = Schemas(service.transport, hosts, cache)
        return cls(
            service,
            Uploader(service),
            Collector(service.transport, store, hosts),
            schemas,
            Prices(service.transport, PLATFORM if is_fal(hosts) else None),
            Functions(service.transport, hosts, schemas),
            is_embedded,
        )


def _close_soon(*kinds: Mapping[Any, Line | DifyLine]) -> None:
    lines = {name: line for lines in kinds for name, line in lines.items()}

    async def close() -> None:
        await asyncio.gather(
            *(line.service.transport.close() for line in lines.values()), return_exceptions=True
        )

    if lines and all(name[0] == os.getpid() for name in lines):
        hand_over(close())


def _refuse_in_replay(what: object) -> None:
    if is_replay():
        raise NotInHistory(
            f"a replay asks nobody, and this needs the service of {what}", hint="unset NBKIT_MODE to ask it"
        )


class Session:
    """Chooses who answers an endpoint, and keeps the connections to them.

    Attributes:
        base_url: The address of the one server that it speaks with, None where there is no such.
        validates: Whether inputs are checked before they are sent, where their schema is at hand.
        runs: The runs under way, by the task that drives each.
        tasks: Other work under way, which ends by itself.
        held: What holds realtime sessions open.
    """

    def __init__(
        self,
        provider: str,
        key: str | Key | None,
        base_url: str | None,
        *,
        user: str | None = None,
        validate: bool = True,
    ) -> None:
        if provider not in PROVIDERS:
            raise ConfigError(f"provider {provider!r} is not known", hint=f"one of {', '.join(PROVIDERS)}")
        self.validates = validate
        self._provider = provider
        self._key = find_fal_key(key, {}) if key is not None else None
        self._fixed = Hosts.of_origin(base_url) if base_url else None
        self._lines: dict[tuple[int, Hosts, Key | None], Line] = {}
        self._user = user
        self.base_url = base_url
        self._apps: dict[tuple[int, Connection], DifyLine] = {}
        self.runs: dict[asyncio.Task[Any], Run] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.held: set[asyncio.Task[None]] = set()
        if provider != "local" and not base_url and key is None:
            look_in_colab()
        at_exit(self.close)
        # Connections that nobody closed would be told of in whatever cell runs when they are found.
        weakref.finalize(self, _close_soon, self._lines, self._apps).atexit = False

    async def line(self, endpoint: Endpoint | None) -> Line:
        """The line to who answers an endpoint; without one, to who takes files.

        Raises:
            CredentialsError: There is no key and no embedded server.
            ServerError: The embedded server did not start.
            NotInHistory: This is a replay.
        """
        _refuse_in_replay(endpoint or "a file")
        hosts, key, unknown_hint = await self._address(endpoint)
        name = (os.getpid(), hosts, key)  # a child process shares no connections with its parent
        if name not in self._lines:
            is_embedded = key is not None and key.source == EMBEDDED
            self._lines[name] = Line.to(hosts, key, unknown_hint, is_embedded=is_embedded)
        line = self._lines[name]
        if line.is_embedded and endpoint and (function := declared(str(endpoint))):
            await line.functions.hand_over(function)
        return line

    async def dify(self, endpoint: Endpoint) -> DifyLine:
        """The line to the Dify app of an endpoint.

        Raises:
            CredentialsError: It is not connected.
            InputError: This client speaks with others only.
            NotInHistory: This is a replay.
        """
        _refuse_in_replay(endpoint)
        if self.base_url is not None:
            if self._key is None:
                raise CredentialsError(f"{endpoint} needs the key of its app", hint="pass it as key=…")
            found = Connection(Place.of(self.base_url), self._key)
        elif self._provider == "auto":
            found = await self._connected(endpoint.alias)
        elif self._provider == "local" and endpoint.alias in LOCAL_APPS:
            found = await embedded_app(endpoint.alias)
        else:
            raise InputError(
                f"{endpoint} is a Dify workflow, and this client speaks with {self._provider} only"
            )
        name = (os.getpid(), found)
        if name not in self._apps:
            self._apps[name] = DifyLine.to(found, self._user, is_embedded=found.source == EMBEDDED)
        return self._apps[name]

    async def _connected(self, alias: str) -> Connection:
        """The connection of a name; where there is none of any name, the app of the embedded server."""
        try:
            return await asyncio.to_thread(find_connection, alias)
        except CredentialsError as error:
            named = await asyncio.to_thread(connections)
            if alias not in LOCAL_APPS or named:
                raise
            try:
                return await embedded_app(alias)
            except CredentialsError:  # the embedded server is not installed
                raise error from None

    async def _address(self, endpoint: Endpoint | None) -> tuple[Hosts, Key | None, str]:
        if endpoint and endpoint.provider == "dify":
            raise InputError(f"{endpoint} is a Dify workflow: it can be run, and nothing else")
        if self._fixed:
            # A key from the environment belongs to fal, not to whoever is at this address.
            return self._fixed, self._key, ""
        is_own = endpoint is not None and declared(str(endpoint)) is not None
        wanted = "local" if is_own else endpoint.provider if endpoint else "fal"
        # A keyring may take its time, and must not hold up other runs.
        key = self._key or (await asyncio.to_thread(find_fal_key) if self._provider != "local" else None)
        if self._provider == "fal" and key is None:
            raise CredentialsError("there is no key for fal", hint=WAYS_TO_GIVE_A_KEY)
        if self._provider != "local" and wanted == "fal" and key:
            return Hosts.of_fal(os.environ), key, ""
        if self._provider == "fal":
            kind = "a function of this process" if is_own else "a local model"
            raise InputError(f"{endpoint} is {kind}, and this client speaks with fal only")
        server = await embedded_server()
        return Hosts.of_origin(server.base_url), server.key, "to call it at fal, set FAL_KEY"

    async def close(self) -> None:
        """Cancel what is under way, in bounded time, and close all connections."""
        here = asyncio.get_running_loop()
        for task in [task for task in self.held if task.get_loop() is here]:
            task.cancel()
        under_way = {task: run for task, run in self.runs.items() if task.get_loop() is here}
        for task, run in under_way.items():
            if run._is_resumed:  # noqa: SLF001 - it goes on without this process, as it did before
                task.cancel()
            else:
                run._stop()  # noqa: SLF001 - this is the network thread
        if under_way:
            _, mute = await asyncio.wait(under_way, timeout=_EXIT_GRACE)
            for task in mute:
                task.cancel()
            await asyncio.gather(*mute, return_exceptions=True)
        # A parent process's connections are left alone: closing them here would break them there.
        for name in [name for name in self._lines if name[0] == os.getpid()]:
            line = self._lines.pop(name)
            line.uploader.close()
            await line.service.transport.close()
        for app in [app for app in self._apps if app[0] == os.getpid()]:
            await self._apps.pop(app).service.transport.close()
