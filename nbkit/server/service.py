"""Everything behind the routes: what can be called, what was called, and the files."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any

from nbkit.model.endpoint import Endpoint
from nbkit.server import tokens
from nbkit.server.code_store import CodeStore
from nbkit.server.dispatcher import DIRECT, NORMAL, Dispatcher
from nbkit.server.draining import Draining
from nbkit.server.files import FileStore
from nbkit.server.journal import JournalFailed
from nbkit.server.keys import OWNER, Keys
from nbkit.server.own_endpoints import OwnEndpoints
from nbkit.server.readiness import checks_of
from nbkit.server.records import open_records
from nbkit.server.run_store import QueueFull, RunStore
from nbkit.server.runs import Run
from nbkit.server.telemetry import Telemetry
from nbkit.server.webhooks import Webhooks
from nbkit.server.workflow_runs import WorkflowRuns
from nbkit.server.workplace import ThisMachine

if TYPE_CHECKING:
    from nbkit.server.catalogue import Catalogue, Entry
    from nbkit.server.settings import Settings
    from nbkit.server.workplace import Workplace

WORKFLOWS = "workflows/"
AD_HOC = f"{WORKFLOWS}execute"
_LARGE_BODIES = 8
_CANCEL_SECONDS = 5.0  # in which a cancel is written down, while there is a place to write to


class Service:
    """One server's state.

    Attributes:
        settings: How it runs.
        catalogue: Its endpoints.
        files: Its files.
        store: Its runs.
        dispatcher: Its queue and workers.
        webhooks: Who is told when a run is over.
        saved: The workflows that callers have saved.
        own: The endpoints of users' own functions.
        keys: The keys that callers show.
        telemetry: Is told what happens.
        token_key: What tokens are signed with.
        large_bodies: Bounds how many of them are taken in at once.
        draining: Whether it takes nothing new, because it ends.
        cluster: What it has to do with other servers, None where it shares no database with any.
    """

    def __init__(self, settings: Settings, catalogue: Catalogue) -> None:
        self.settings = settings
        self.catalogue = catalogue
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        journal, self.saved, self.cluster = open_records(self)
        self.files = FileStore(settings.data_dir, settings.store)
        self.token_key = tokens.signing_key(settings)
        self.keys = Keys(settings.key, settings.keys_file)
        self.telemetry = Telemetry(catalogue)
        self.store = RunStore(settings, journal, self.telemetry)
        self.dispatcher = Dispatcher(settings, self.store, _workplace(settings), self.telemetry)
        self.webhooks = Webhooks(settings, self.files, self.telemetry)
        self.own = OwnEndpoints(settings.endpoint_files, catalogue, CodeStore(settings.data_dir / "code"))
        self.large_bodies = asyncio.Semaphore(_LARGE_BODIES)
        self.draining = Draining(self)
        self.checks = checks_of(self)
        self._workflows = WorkflowRuns(self)
        self._telling: dict[str, asyncio.Task[None]] = {}

    def begin(
        self,
        name: str,
        given: dict[str, Any],
        *,
        priority: int = DIRECT,
        size: int = 0,
        start_timeout: float | None = None,
        depth: int = 0,
        watched: bool = False,
        file_seconds: float | None = None,
        keeps_input: bool = True,
        user: str = OWNER,
    ) -> Run:
        """Take in a direct call, or a step of a workflow: something that ends with this server.

        Args:
            name: The endpoint's id, as it stands in the address.
            given: Its input. One that is not valid ends the run at once.
            priority: `DIRECT`, `NORMAL` or `LOW`.
            size: Bytes of the input as JSON.
            start_timeout: Seconds within which it has to start.
            depth: How many workflows it is inside of.
            watched: Whether somebody will listen to its progress.
            file_seconds: How long the files that it makes are kept, None for ever.
            keeps_input: Whether its input may be kept.
            user: Whose it is.

        Raises:
            UnknownEndpoint: There is no such endpoint.
            QueueFull: Too many wait already.
            BadRequest: The server ends.
        """
        facts: dict[str, Any] = {
            "priority": priority,
            "depth": depth,
            "watched": watched,
            "file_seconds": file_seconds,
            "keeps_input": keeps_input,
            "user": user,
        }
        if not depth:  # a step belongs to what was begun before
            self.draining.check()
        run, entry = self._new(name, given, **facts)
        self._admit(run, entry, size, elsewhere=False)
        self.store.add(run)
        self.start(run, entry, start_timeout)
        return run

    async def enqueue(
        self,
        name: str,
        given: dict[str, Any],
        content: bytes,
        *,
        priority: int = NORMAL,
        start_timeout: float | None = None,
        webhook: tuple[str, str] | None = None,
        **facts: Any,
    ) -> Run:
        """Take in a request of the queue. It is written down before this returns, and outlives this server.

        Args:
            name: The endpoint's id, as it stands in the address.
            given: Its input. One that is not valid ends the run at once.
            content: The same as it came.
            priority: `NORMAL` or `LOW`.
            start_timeout: Seconds within which it has to start.
            webhook: Whom to tell its end, and the server's address as the caller knows it.
            **facts: `file_seconds` and `keeps_input`, as `begin` takes them, `user` and `caller_name`.

        Raises:
            UnknownEndpoint: There is no such endpoint.
            QueueFull: Too many wait already.
            BadRequest: The server ends.
            JournalFailed: It cannot be written down; nothing was started.
        """
        self.draining.check()
        run, entry = self._new(name, given, priority=priority, **facts)
        run.webhook = webhook
        run.start_by = None if start_timeout is None else run.submitted + start_timeout
        self._admit(run, entry, len(content), elsewhere=run.keeps_input)
        try:
            await self.store.keep(run, content)
        except BaseException:
            self.store.give_up(run)
            raise
        self.start(run, entry, start_timeout)
        self.follow(run)
        return run

    def start(self, run: Run, entry: Entry | None, start_timeout: float | None) -> None:
        """Let a run that the store keeps be computed as soon as may be.

        Args:
            run: The run.
            entry: What answers it, None for a workflow that comes along with its request.
            start_timeout: Seconds within which it has to start.
        """
        if entry is None:
            self._workflows.begin_ad_hoc(run)
        elif entry.graph is not None:
            self._workflows.begin_catalogued(run, entry, entry.graph)
        else:
            self.dispatcher.submit(run, entry, start_timeout=start_timeout)

    def follow(self, run: Run) -> None:
        """See to it that a run's end is told to whom its caller named."""
        if run.webhook is not None:
            telling = self._telling[run.id] = self.webhooks.follow(run, *run.webhook)
            telling.add_done_callback(partial(self._told, run))

    async def learn(self, name: str) -> None:
        """Learn of saved workflows where one is called; while that cannot be, what is known counts."""
        if name.lstrip("/").startswith(WORKFLOWS):
            with contextlib.suppress(JournalFailed):
                await self.saved.refresh()

    def app_of(self, name: str) -> str:
        """The app of an endpoint's id: what it is queued and asked for by.

        Raises:
            UnknownEndpoint: There is no such endpoint.
        """
        return AD_HOC if name.strip("/") == AD_HOC else Endpoint.parse(self.catalogue.find(name).id).app

    def begin_step(self, workflow: Run, app: str, given: Any) -> Run:
        """Begin the run of a workflow's step, which is to be kept as the workflow is."""
        return self.begin(
            app,
            given,
            depth=workflow.depth + 1,
            file_seconds=workflow.file_seconds,
            keeps_input=workflow.keeps_input,
            user=workflow.user,
        )

    def cancel(self, run: Run) -> bool:
        """Cancel a run that is not over; tells whether it was still waiting."""
        if self._workflows.cancel(run):
            return False
        return self.dispatcher.cancel(run)

    async def find(self, request_id: str) -> Run | None:
        """The run of an id, on whichever server it is; None where there is none (any more).

        Raises:
            JournalFailed: The journal cannot be read.
        """
        if self.cluster is None:
            return await self.store.find(request_id)
        return self.store.get(request_id) or await self.cluster.find(request_id)

    async def cancel_as_asked(self, run: Run) -> bool:
        """Cancel a run of the queue as its caller asks for; tells whether it was still waiting.

        Raises:
            JournalFailed: Another server sees to it, and cannot be asked.
        """
        if self.cluster is not None and run.elsewhere:
            return await self.cluster.cancel(run)
        if self.cancel(run):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CANCEL_SECONDS):
                    await run.settle()
            return run.over
        await self.store.cancelled(run)
        return False

    def let_go(self, run: Run) -> None:
        """Do nothing more about a run, because another server has taken it over."""
        if telling := self._telling.get(run.id):
            telling.cancel()
        if not run.over:
            self.store.let_go(run)
            self.cancel(run)

    async def close(self) -> None:
        """End every worker and every run, except those of the queue, which are left to the next server."""
        if self.cluster is not None:
            await self.cluster.close()
        self.store.leave()
        await self.webhooks.close()
        await self._workflows.close()
        await self.dispatcher.close()

    def _new(self, name: str, given: Any, **facts: Any) -> tuple[Run, Entry | None]:
        """A run, and what answers it: None for a workflow that comes along with its request."""
        if name.strip("/") == AD_HOC:
            return Run(endpoint=AD_HOC, app=AD_HOC, given=given, **facts), None
        entry = self.catalogue.find(name)
        app = Endpoint.parse(entry.id).app
        return Run(endpoint=entry.id, app=app, given=given, stand_in=entry.stand_in, **facts), entry

    def _admit(self, run: Run, entry: Entry | None, size: int, *, elsewhere: bool) -> None:
        """Make sure that there is room for a run and for its input, or raise `QueueFull`."""
        waits = entry is not None and entry.graph is None
        if waits:
            self.dispatcher.admit()
        elif len(self._workflows) >= self.settings.max_queued:
            # Workflows may call workflows: without an end, one that calls itself often would fill the memory.
            raise QueueFull(f"{self.settings.max_queued} workflows run already")
        self.store.hold(run, size, elsewhere=elsewhere and waits)

    def _told(self, run: Run, telling: asyncio.Task[None]) -> None:
        if self._telling.get(run.id) is telling:
            del self._telling[run.id]
        if not telling.cancelled():
            self.store.told(run)


def _workplace(settings: Settings) -> Workplace:
    if settings.executor is None:
        return ThisMachine(settings)
    from nbkit.server.executors.workplace import ExecutorWorkplace

    return ExecutorWorkplace(settings, settings.executor)
