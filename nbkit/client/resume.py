"""Going on with runs whose kernel has ended: each is asked after at its service, and completed in its own row."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from nbkit.client.calls import clean_id
from nbkit.client.client import Client
from nbkit.client.lost import trace
from nbkit.client.resend import input_again
from nbkit.client.resumed import Resumed, Standing
from nbkit.errors import InputError, MediaError, NbkitError, RunUnknown
from nbkit.history.queries import get, search
from nbkit.history.record import EMBEDDED
from nbkit.model.address import is_loopback, origin
from nbkit.model.endpoint import Endpoint
from nbkit.transport.loop import wait
from nbkit.wire.fal.addresses import Hosts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbkit.client.async_client import AsyncClient
    from nbkit.client.run import Run
    from nbkit.client.session import Session
    from nbkit.history import RunRecord
    from nbkit.model.media import Media
    from nbkit.model.result import Result

_UNSETTLED = ("sending", "accepted", "running", "unknown")
_OLDEST = "90d"  # longer than any service keeps what it did
_ENDED_WITH_SERVER = "it ended with the server that its kernel had for itself"
_NEVER_ARRIVED = "it never reached the service: its kernel ended before it was sent"
_FOLLOWED = "another kernel follows it now"


def resume_run(client: Client | AsyncClient, record: RunRecord) -> Run:
    """Follow a run of the history whose kernel has ended, in its own row.

    Args:
        client: Whom to ask: one that leads to the run's service.
        record: The run, with the service's id of it.

    Raises:
        InputError: It is over, or another kernel follows it.
        RunUnknown: The service's id of it is not known; `resume` looks for it.
        ConfigError: The history cannot be written.
    """
    if not record.request_id:
        raise RunUnknown(
            f"the id of the run of {record.endpoint} is not known",
            endpoint=record.endpoint,
            hint=f"nbkit.history.resume({record.id[:8]!r}) looks for it",
        )
    if not record.claim():
        raise InputError(
            f"run {record.id[:8]} is {record.state}: {_FOLLOWED if record.is_orphan else 'nothing is to be resumed'}",
            field="record",
        )
    return client._calls.resume(record)  # noqa: SLF001 - the client's other half


def resume(
    *ids: str,
    client: Client | None = None,
    resend: Sequence[str] | str = (),
    notebook: str | None = None,
    timeout: float | None = None,
) -> Resumed:
    """Collect what became of runs that were under way when their kernel ended. Nothing is sent again by itself.

    A run with an id is followed by it to its end; one whose id never came back is looked for. Each is completed in its
    own row of the history. An interrupt stops the waiting, and the runs go on.

    Args:
        *ids: Which runs, by the history's id, the service's, or the beginning of either; all of them without. Of one
            that ended well and has lost files, or has damaged ones, these are fetched again.
        client: Whom to ask; without it the services that the runs were sent to, with the keys that are set.
        resend: Runs that are sent again, with the input that the history has. They may be billed twice.
        notebook: Only runs of this notebook: the end of its path.
        timeout: Seconds to wait for runs that go on; without it, until all are over.

    Raises:
        InputError: There is no such run, it is over, or its input was not kept whole.
        ConfigError: The history cannot be read or written.
    """
    again = [_orphan(one) for one in ([resend] if isinstance(resend, str) else resend)]
    inputs = [input_again(record) for record in again]
    named = [_resumable(one) for one in ids]
    clients = _Clients(client)
    if not ids and not again:
        found = search(after=_OLDEST, status=_UNSETTLED, notebook=notebook, limit=None)
        named = [record for record in reversed(found) if record.is_orphan and clients.may_ask(record)]
    standings = [_resent(record, given, clients) for record, given in zip(again, inputs, strict=True)]
    standings += [_resumed(record, clients) for record in named]
    resumed = Resumed(standings)
    resumed.wait(timeout)
    return resumed


def _resumable(name: str) -> RunRecord:
    """A run that waits to be resumed, or one that ended well and has lost files."""
    record = get(name)
    has_lost = record.state == "succeeded" and not all(map(_is_whole, record.media))
    return record if has_lost else _orphan(name)


def _is_whole(media: Media) -> bool:
    try:
        media.bytes  # noqa: B018 - reading compares them with their hash
    except MediaError:
        return False
    return True


def _orphan(name: str) -> RunRecord:
    record = get(name)
    if not record.is_orphan:
        why = "it is under way" if record.is_under_way else f"it is {record.state}"
        raise InputError(f"run {name[:60]} is not one to resume: {why}", field="ids")
    return record


def _resumed(record: RunRecord, clients: _Clients) -> Standing:
    if record.origin == EMBEDDED:
        return _settled(record, "failed", _ENDED_WITH_SERVER, "run it again")
    try:
        client = clients.to(record)
        if record.state == "succeeded":
            return _mended(record, client)
        if record.request_id and (record.way in ("queue", "attach") or record.provider == "dify"):
            return Standing(record, resume_run(client, record))
        return _traced(record, client)
    except NbkitError as error:
        return Standing(record, advice=str(error))


def _mended(record: RunRecord, client: Client) -> Standing:
    """Fetch the files of a run again. They come to where they were, since their bytes are the same."""
    result = record.result
    session = client._calls.session  # noqa: SLF001 - the client's other half
    if result is not None:
        wait(_collected(session, record, result))
    lost = [media.name for media in record.media if not _is_whole(media)]
    said = f"the service has no longer {', '.join(lost)}" if lost else "its files are here again"
    return Standing(record, advice=said)


async def _collected(session: Session, record: RunRecord, result: Result) -> None:
    endpoint = Endpoint.parse(record.endpoint)
    line = await (session.dify(endpoint) if endpoint.provider == "dify" else session.line(endpoint))
    await line.collector.collect(result.data, record.request_id)


def _traced(record: RunRecord, client: Client) -> Standing:
    """A run that cannot be followed by what is known of it."""
    if not record.claim():
        return Standing(record, advice=_FOLLOWED)
    calls = client._calls  # noqa: SLF001 - the client's other half
    try:
        others = search(endpoint=record.endpoint, after=record.created - 3600, limit=None)
        taken = {other.request_id for other in others if other.id != record.id}
        learnt = wait(trace(calls.session, record, taken))
        if learnt.request_id and not learnt.failure:
            found = record.found(clean_id(learnt.request_id))
            return Standing(record, calls.resume(found, learnt.reply))
    except BaseException:
        record.settle("unknown", record.error)
        raise
    if learnt.is_absent:
        record.settle("failed", _NEVER_ARRIVED)
        return Standing(record, advice="run it again; nothing was billed")
    if learnt.failure:
        record.settle("failed", learnt.failure)
        return Standing(record, advice=learnt.failure)
    record.settle("unknown", record.error or "its kernel ended before the service answered")
    return Standing(record, advice=learnt.advice, candidates=learnt.candidates)


def _settled(record: RunRecord, state: str, why: str, advice: str) -> Standing:
    if not record.claim():
        return Standing(record, advice=_FOLLOWED)
    record.settle(state, why)
    return Standing(record, advice=f"{why}: {advice}")


def _resent(record: RunRecord, given: dict[str, object], clients: _Clients) -> Standing:
    """Send it again, as a run of its own: whoever claimed the old row is the only one who does."""
    client = clients.to(record)
    if not record.claim():
        return Standing(record, advice=_FOLLOWED)
    try:
        run = client.submit(record.endpoint, given)
    except BaseException:
        record.settle("unknown", record.error)
        raise
    record.settle("failed", f"what became of it is not known; it was sent again as {run.id}")
    return Standing(get(run.id), run)


class _Clients:
    """The client for each run's service.

    Args:
        given: The one to ask, where the caller names one.
    """

    def __init__(self, given: Client | None) -> None:
        self._given = given
        self._base = given._calls.session.base_url if given else None  # noqa: SLF001
        self._default: Client | None = None
        self._at: dict[str, Client] = {}

    def may_ask(self, record: RunRecord) -> bool:
        """Whether a run belongs to the one service that the caller's client speaks with."""
        here = origin(self._base or "")
        return not here or record.origin == here or (is_loopback(record.origin) and is_loopback(here))

    def to(self, record: RunRecord) -> Client:
        """The client that leads to a run's service."""
        if self._given:
            return self._given
        home = record.origin if record.provider != "dify" else ""
        if home and home not in Hosts.of_fal(os.environ).origins:
            if not is_loopback(home):  # a history may hold runs of other people, and name any address
                raise InputError(
                    f"it is at {home}",
                    hint="give the client that leads there: resume(client=Client(base_url=…))",
                )
            base = record.status_url.partition("/queue/")[0]
            base = base if origin(base) == home else home
            return self._at.setdefault(base, Client(base_url=base))
        self._default = self._default or Client()
        return self._default
