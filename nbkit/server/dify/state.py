"""Everything behind Dify's routes: the apps, their keys, their runs and files."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from nbkit.server.dify.apps import APPS
from nbkit.server.dify.files import DifyFiles
from nbkit.server.dify.live_run import LiveRun
from nbkit.server.dify.performance import Performance
from nbkit.server.dify.refused import Refused
from nbkit.server.dify.run_table import RunTable
from nbkit.server.keys import OWNER
from nbkit.wire.dify.answers import RunRecord
from nbkit.wire.dify.era import era_of
from nbkit.wire.dify.form_answers import of_era

if TYPE_CHECKING:
    from nbkit.server.dify.apps import WorkflowApp
    from nbkit.server.service import Service
    from nbkit.wire.dify.file_answers import FileFacts

_IDS = uuid.uuid5(uuid.NAMESPACE_URL, "https://dify.ai/nbkit")
_ANY_KEY = b"local"  # where none is needed
_BUSY = "Too many requests. Please try again later. The current maximum concurrent requests allowed is {}."


def identity(*words: str) -> str:
    """The id of something that has a name: the same on every server."""
    return str(uuid.uuid5(_IDS, "/".join(word.encode("utf-8", "replace").decode() for word in words)))


def workflow_id(app: WorkflowApp) -> str:
    """The id of an app's published workflow."""
    return identity("workflow", app.name)


class DifyState:
    """The state of Dify's half of a server.

    Attributes:
        service: Computes.
        era: Which Dify it speaks like.
        tenant: The id of its workspace.
        files: Its files.
        runs: Its runs.
        published: Since when its workflows are as they are.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self.era = era_of(service.settings.dify_version)
        self.tenant = identity("workspace")
        self.files = DifyFiles(service.settings, service.files, self.era, self.tenant)
        self.runs = RunTable(service.settings)
        self.published = datetime.now(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
        self._apps: dict[tuple[str, str], WorkflowApp] = {}

    def app_of(self, authorization: str) -> WorkflowApp:
        """The app whose key a request shows.

        Raises:
            Refused: It shows none that is known here (401).
        """
        scheme, _, shown = authorization.partition(" ")
        if not shown:
            raise self._stranger("Authorization header must be provided and start with 'Bearer'")
        if scheme.lower() != "bearer":
            raise self._stranger("Authorization scheme must be 'Bearer'")
        given = shown.strip().encode("utf-8", "replace")
        for app in APPS:
            before, after = b"app-", f"-{app.name}".encode()
            if given.startswith(before) and given.endswith(after):
                user = self._user_of(given.removeprefix(before).removesuffix(after))
                if user is not None:
                    return self._apps.setdefault((app.name, user), replace(app, owner=user))
        raise self._stranger("Access token is invalid")

    def _user_of(self, key: bytes) -> str | None:
        keys = self.service.keys
        if keys.are_needed:
            return keys.user_of(key)
        return OWNER if key == _ANY_KEY else None

    def user_id(self, app: WorkflowApp, user: str) -> str:
        """The id of who calls an app."""
        return identity("user", app.name, user)

    def begin(
        self, app: WorkflowApp, user: str, inputs: dict[str, Any], files: list[FileFacts], origin: str
    ) -> LiveRun:
        """Begin a run.

        Args:
            app: Its workflow.
            user: Who asks.
            inputs: Its inputs, checked and complete.
            files: The files beside the inputs.
            origin: The server's address, as the caller knows it.

        Raises:
            Refused: Too much is under way.
            BadRequest: The server ends.
        """
        self.service.draining.check()
        most = self.service.settings.max_queued
        if len(self.runs) >= most:
            raise Refused.invalid(_BUSY.format(most))
        most = self.service.settings.max_runs_per_user
        if most and self.runs.count(app.owner) >= most:
            raise Refused.invalid(_BUSY.format(most))
        run_id, now = str(uuid.uuid4()), int(time.time())
        system = {"sys.files": files, "sys.user_id": user}
        if self.era.has_system_ids:
            system |= {
                "sys.app_id": identity("app", app.name),
                "sys.workflow_id": workflow_id(app),
                "sys.workflow_run_id": run_id,
            }
        started = {**inputs, **system}
        whole = started | ({"sys.timestamp": now} if self.era.has_system_ids else {})
        record = RunRecord(
            id=run_id,
            workflow_id=workflow_id(app),
            inputs=self.files.told(whole, origin),
            user=user,
            user_id=self.user_id(app, user),
            number=self.runs.number(app),
            created=now,
        )
        run = LiveRun(app, record, origin, self.era)
        known = {variable.name for variable in of_era(app.form, self.era)}
        late = [variable.name for variable in app.form.variables if variable.name not in known]
        performance = Performance(self.service, self.files, run)
        task = asyncio.create_task(performance.perform(whole, started, dict(zip(late, files, strict=False))))
        self.runs.begin(run, task)
        task.add_done_callback(lambda _task: self._over(run, performance))
        return run

    def stop(self, task_id: str, app: WorkflowApp, user: str) -> None:
        """Stop a run of an app, if there is such a one under way."""
        found = self.runs.task(task_id)
        if found is None or found[0].app is not app:
            return
        run, task = found
        if not self.era.stop_is_private or run.record.user == user:
            task.cancel()

    async def settle(self) -> None:
        """Wait until every run is over."""
        await asyncio.gather(*self.runs.tasks(), return_exceptions=True)

    async def close(self) -> None:
        """End every run."""
        tasks = self.runs.tasks()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _over(self, run: LiveRun, performance: Performance) -> None:
        if not run.is_over:
            performance.stopped()  # before its first step
        self.runs.end(run)

    def _stranger(self, message: str) -> Refused:
        return Refused.of(401, "unauthorized", message)
