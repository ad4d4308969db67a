"""Whether a request was made before: what the history has of the same input, sent to the same service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbkit.history.past import is_from
from nbkit.history.queries import search
from nbkit.history.record import EMBEDDED
from nbkit.history.writer import flush
from nbkit.model.address import origin
from nbkit.model.endpoint import Endpoint
from nbkit.providers.functions import unchanged_since
from nbkit.providers.inputs import Draft
from nbkit.transport.loop import wait

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbkit.client.client import Client
    from nbkit.client.session import Session
    from nbkit.history.record import RunRecord

_TOGETHER = 500  # SQLite takes so many values in one question, and many more only since 2020

_PATIENCE = 30.0  # seconds for a slow disk: what is not found is sent, and billed, again


def earlier_runs(client: Client, endpoint: str, inputs: Sequence[Mapping[str, Any]]) -> list[list[RunRecord]]:
    """The runs that asked the same of the same service, for each input, the latest first.

    Raises:
        InputError: The endpoint or an input is not one that can be sent.
        CredentialsError: There is neither a key nor an embedded server.
        ConfigError: The history cannot be read.
    """
    app = Endpoint.parse(endpoint)
    drafts = [Draft.of(given) for given in inputs]
    session = client._calls.session  # noqa: SLF001 - a question that clients do not answer by themselves
    place, fingerprints = wait(_asked(session, app, drafts))
    flush(_PATIENCE)
    found: dict[str, list[RunRecord]] = {}
    wanted = list(dict.fromkeys(filter(None, fingerprints)))
    for start in range(0, len(wanted), _TOGETHER):
        some = wanted[start : start + _TOGETHER]
        for record in search(endpoint=str(app), input_sha256=some, limit=None):
            is_whole = (
                record.way != "stream" or app.provider == "dify"
            )  # other streams end as their last piece
            is_same = record.created >= unchanged_since(str(app)) and is_from(record, place)
            if record.endpoint == str(app) and is_whole and is_same:
                found.setdefault(record.input_sha256, []).append(record)
    return [found.get(fingerprint, []) for fingerprint in fingerprints]


async def _asked(session: Session, app: Endpoint, drafts: Sequence[Draft]) -> tuple[str, list[str]]:
    if app.provider == "dify":
        place = (await session.dify(app)).service.place.origin
    else:
        line = await session.line(app)
        # A function of this process is nowhere else, so its runs are not told apart by the address of its server.
        is_own = line.is_embedded and unchanged_since(str(app))
        place = EMBEDDED if is_own else origin(line.service.hosts.queue)
    return place, [await draft.fingerprint() for draft in drafts]
