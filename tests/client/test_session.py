from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

import pytest

import nbkit
from nbkit.errors import ConfigError, CredentialsError, InputError
from nbkit.model.endpoint import Endpoint
from nbkit.transport.loop import wait
from tests.scripted_server import answer

if TYPE_CHECKING:
    from nbkit.client.session import Line
    from tests.scripted_server import ScriptedServer

APP = "acme/imgen"


def line(client: nbkit.Client, endpoint: str = APP) -> Line:
    """The line that a client would use."""
    return wait(client._calls.session.line(Endpoint.parse(endpoint)))


def test_a_key_from_the_environment_is_fals(
    scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is at a given address does not get the key that the environment has for fal."""
    monkeypatch.setenv("FAL_KEY", "SECRET-xyz")
    scripted.queue()
    with nbkit.Client(base_url=scripted.origin) as client:
        client.subscribe(APP, {})
    assert not [it for it in scripted.received if "authorization" in it.headers]

    with nbkit.Client() as client:
        assert line(client).service.hosts.queue == "https://queue.fal.run"


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        ({"provider": "open-ai"}, ConfigError, "one of auto, fal, local"),
        ({"base_url": "nonsense"}, ConfigError, "is not an address"),
        ({"key": ""}, CredentialsError, "is not a key"),
        ({"key": "a\nb"}, CredentialsError, "is not a key"),
    ],
)
def test_a_client_that_cannot_be(arguments: dict[str, Any], kind: type[Exception], words: str) -> None:
    """A wrong setting is told when the client is made."""
    with pytest.raises(kind, match=words):
        nbkit.Client(**arguments)


def test_no_key_for_fal() -> None:
    """Who asks for fal without a key is told how to give one; nothing else answers in its place."""
    with nbkit.Client("fal") as client, pytest.raises(CredentialsError, match="FAL_KEY"):
        client.run(APP, {})


def test_what_fal_does_not_have() -> None:
    """A local model cannot be called at fal."""
    with nbkit.Client("fal", key="k") as client, pytest.raises(InputError, match="local model"):
        client.run("local/collage", {})


def test_closing_cancels_what_is_under_way(scripted: ScriptedServer) -> None:
    """A client that is closed leaves nothing that costs money, and may be closed twice and used again."""
    scripted.queue(statuses=[{"status": "IN_PROGRESS", "logs": []}])
    client = nbkit.Client(base_url=scripted.origin)
    run = client.submit(APP, {})
    client.close()
    client.close()

    assert run.status == "cancelled"
    assert scripted.count("PUT") == 1
    scripted.queue()
    with client:
        assert client.subscribe(APP, {}).data == {"ok": True}


def test_a_client_that_is_dropped(scripted: ScriptedServer) -> None:
    """A run outlives the name its client had."""
    scripted.queue(statuses=[{"status": "IN_QUEUE", "queue_position": 0}] * 3 + [{"status": "COMPLETED"}])
    client = nbkit.Client(base_url=scripted.origin)
    session = client._calls.session
    run = client.submit(APP, {})
    del client
    gc.collect()

    assert run.result(10).data == {"ok": True}
    wait(session.close())


def test_one_client_for_many_loops(scripted: ScriptedServer) -> None:
    """The asynchronous client works in one `asyncio.run` after the other, and in two at once."""
    scripted.queue()
    client = nbkit.AsyncClient(base_url=scripted.origin)

    async def once() -> object:
        run = await client.submit(APP, {})
        told = [event async for event in run]
        status = await client.status(APP, "r1")
        again = await client.result(APP, "r1")
        return (await run).data, len(told), status.state, again.data

    assert [asyncio.run(once()) for _ in range(3)] == [({"ok": True}, 1, "completed", {"ok": True})] * 3
    asyncio.run(client.close())


async def test_asynchronous_callbacks_are_awaited(scripted: ScriptedServer) -> None:
    """A callback of an asynchronous call runs on the caller's loop."""
    scripted.queue(statuses=[{"status": "IN_PROGRESS", "logs": []}, {"status": "COMPLETED"}])
    scripted.on("PUT", "/put", answer({}))
    scripted.on(
        "POST", "/rest/storage/upload/initiate", answer({"upload_url": "/put", "file_url": "https://f/1"})
    )
    loops = []

    async def note(_event: object) -> None:
        loops.append(asyncio.get_running_loop())

    async with nbkit.AsyncClient(base_url=scripted.origin) as client:
        await client.subscribe(APP, {}, on_event=note)
        assert await client.upload(b"x") == "https://f/1"
        assert await client.cancel(APP, "r1") == "CANCELLATION_REQUESTED"

    assert loops == [asyncio.get_running_loop()] * 2
