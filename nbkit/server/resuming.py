"""Taking up what another server left, or this one before it was started again."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from nbkit.errors import InputError
from nbkit.server.journal import JournalFailed
from nbkit.server.replies import BadRequest
from nbkit.server.runs import Outcome
from nbkit.server.service import AD_HOC

if TYPE_CHECKING:
    from nbkit.server.runs import Run
    from nbkit.server.service import Service


async def resume(service: Service, why: str = "the server was started again") -> None:
    """Let queued requests wait again, and compute again what was being computed.

    A workflow begins with its first step again. A request that was being computed when two servers went down is
    failed, because it may be what brings them down.

    Args:
        service: The server that takes them up.
        why: What their logs say about that.

    Raises:
        JournalFailed: The journal cannot be read.
    """
    runs = await service.store.restore()
    if any(run.webhook for run in runs):
        with contextlib.suppress(BadRequest):  # what signs webhooks is not installed any more
            await service.webhooks.key_set()
    for run in runs:
        if not run.over:
            await _resume(service, run, why)
        service.follow(run)


async def _resume(service: Service, run: Run, why: str) -> None:
    store = service.store
    if run.cancelled:
        store.finish(run, Outcome.cancelled())
        return
    if run.starts > 1:
        words = "The server went down twice while it computed this request; it is not tried again"
        store.finish(run, Outcome.failed(503, words, "runner_disconnected"))
        return
    try:
        await service.learn(run.endpoint)
        entry = None if run.endpoint == AD_HOC else service.catalogue.find(run.endpoint)
        if entry is None or entry.graph is not None or not run.keeps_input:
            run.input = await store.given(run)
    except (InputError, JournalFailed) as error:
        words = f"The server was started again and cannot compute this request any more: {error}"
        store.finish(run, Outcome.failed(500, words, "internal_error"))
        return
    run.log(f"{why}; this {'is computed anew' if run.starts else 'waits again'}")
    seconds = None if run.starts or run.start_by is None else max(0.0, run.start_by - time.time())
    service.start(run, entry, seconds)
