from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from nbkit.credentials import Key
from nbkit.errors import ConnectionFailed, RequestLost, RunUnknown
from nbkit.model.endpoint import Endpoint
from nbkit.providers.fal import FalService
from nbkit.transport import http
from nbkit.transport.http import Transport
from nbkit.wire.fal.addresses import Hosts
from nbkit.wire.fal.queue import StatusReader
from tests.scripted_server import ScriptedServer, answer, never, reset

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.scripted_server import Act

APP = Endpoint.parse("acme/imgen")


@pytest.fixture
def backup() -> Iterator[ScriptedServer]:
    """The service's other address."""
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def down() -> str:
    """An origin at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
async def transport(scripted: ScriptedServer, backup: ScriptedServer) -> AsyncIterator[Transport]:
    """A transport that knows both addresses; the key is for the first alone."""
    transport = Transport(
        lambda url: "Key SECRET-xyz" if url.startswith(scripted.origin) else None,
        {scripted.origin: backup.origin},
    )
    yield transport
    await transport.close()


async def service_at(home: str, backup: str) -> FalService:
    """A service with a backup for its queue."""
    hosts = replace(Hosts.of_origin(home), backups=((home, backup),))
    return FalService(hosts, Key("SECRET-xyz", "key="))


@pytest.mark.parametrize(("method", "may_bill"), [("GET", False), ("PUT", False), ("POST", True)])
async def test_where_no_connection_can_be_made_the_backup_is_asked(
    method: str,
    may_bill: bool,  # noqa: FBT001
    down: str,
    backup: ScriptedServer,
) -> None:
    """Nothing was sent when connecting failed, so the same request goes to the other address, a paid one too."""
    backup.on(method, "/x", answer({"ok": True}))
    transport = Transport(backups={down: backup.origin})
    got = await transport.send(method, f"{down}/x?a=1", json={"p": 1}, may_bill=may_bill, attempts=1)
    await transport.close()

    assert got.status == 200
    (request,) = backup.received
    assert (request.target, request.json) == ("/x?a=1", {"p": 1})


@pytest.mark.parametrize("act", [reset, answer({}, 503), answer({}, 502), answer({}, 404), never])
@pytest.mark.parametrize("may_bill", [True, False])
async def test_a_service_that_was_reached_is_the_only_one(
    act: Act,
    may_bill: bool,  # noqa: FBT001
    scripted: ScriptedServer,
    backup: ScriptedServer,
    transport: Transport,
) -> None:
    """Once a connection was made the request may be at work, so the other address never hears of it."""
    scripted.on("POST", "/x", act)
    with contextlib.suppress(RequestLost):
        await transport.send(
            "POST", f"{scripted.origin}/x", may_bill=may_bill, attempts=2, read_timeout=0.3, json={}
        )

    assert scripted.received
    assert backup.connections == 0


async def test_the_key_goes_only_where_it_may(down: str, backup: ScriptedServer) -> None:
    """Whether the key may go along is asked anew for the address that is tried."""
    backup.on("GET", "/x", answer({}))
    transport = Transport(
        lambda url: "Key SECRET-xyz" if url.startswith(down) else None, {down: backup.origin}
    )
    await transport.send("GET", f"{down}/x")
    await transport.close()

    assert "authorization" not in backup.received[0].headers


async def test_the_backup_is_kept_to_for_a_while(
    down: str, backup: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that asks every second does not try the dead address each time, and comes back when it may live."""
    backup.on("GET", "/x", answer({}))
    transport = Transport(backups={down: backup.origin})
    await transport.send("GET", f"{down}/x")
    port = int(down.rpartition(":")[2])
    with ScriptedServer(port) as revived:
        revived.on("GET", "/x", answer({}))
        await transport.send("GET", f"{down}/x")
        assert (revived.count("GET"), backup.count("GET")) == (0, 2)
        monkeypatch.setattr(http, "_AVOIDED_FOR", -1.0)
        transport._avoided.clear()
        await transport.send("GET", f"{down}/x")
        assert (revived.count("GET"), backup.count("GET")) == (1, 2)
        backup.close()
        # A status address that names the backup leads back to the first.
        await transport.send("GET", f"{backup.origin}/x")
        assert revived.count("GET") == 2
    await transport.close()


async def test_where_both_are_down_it_says_so(down: str) -> None:
    """Without any address left it is the usual error."""
    transport = Transport(backups={down: "http://127.0.0.1:9"})
    with pytest.raises(ConnectionFailed):
        await transport.send("GET", f"{down}/x", attempts=1)
    await transport.close()


async def test_a_whole_run_by_the_backup(down: str, backup: ScriptedServer) -> None:
    """Submit, status and result go to the backup, though the answers name the address that is down."""
    place = "/queue/acme/imgen/requests/r1"
    backup.queue(
        ticket={
            "status_url": f"{down}{place}/status",
            "response_url": f"{down}{place}",
            "cancel_url": f"{down}{place}/cancel",
        },
        output={"seed": 7},
    )
    service = await service_at(down, backup.origin)
    ticket = await service.submit(APP, {"prompt": "a"})
    reader = StatusReader()
    events: list[Any] = [event async for event in service.follow(ticket, reader)]
    reply = await service.result(APP, ticket, reader)
    await service.transport.close()

    assert events is not None
    assert reply.data == {"seed": 7}
    assert backup.count("POST") == 1
    assert all(request.headers["authorization"] == "Key SECRET-xyz" for request in backup.received)


async def test_a_lost_submit_is_unknown_and_not_sent_to_the_backup(
    scripted: ScriptedServer, backup: ScriptedServer
) -> None:
    """A paid request that was read and not answered is for a person to decide."""
    scripted.on("POST", "/queue/acme/imgen", reset)
    service = await service_at(scripted.origin, backup.origin)
    with pytest.raises(RunUnknown):
        await service.submit(APP, {})
    await service.transport.close()

    assert (scripted.count("POST"), backup.connections) == (1, 0)


async def test_a_body_that_nobody_takes_is_given_up(transport: Transport) -> None:
    """A host that accepts a connection and never reads does not hold an upload for ever."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:

        async def body() -> AsyncIterator[bytes]:
            for _ in range(200):
                yield b"x" * 1_000_000

        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/x"
        with pytest.raises(RequestLost, match="in time"):
            await asyncio.wait_for(
                transport.send("PUT", url, content=body, read_timeout=0.3, attempts=1), timeout=10
            )
