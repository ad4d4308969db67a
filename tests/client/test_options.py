from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbkit import AsyncClient, Client
from nbkit.errors import InputError
from tests.scripted_server import answer, stream

if TYPE_CHECKING:
    from tests.scripted_server import ScriptedServer


def test_a_direct_call_has_the_options_of_a_submit(scripted: ScriptedServer) -> None:
    """A hint, a limit for the start and more header fields go with a call that does not queue."""
    scripted.on("POST", "/run/acme/imgen", answer({"seed": 1}))
    with Client(base_url=scripted.origin) as client:
        client.run("acme/imgen", {}, hint="h", start_timeout=5, headers={"X-Fal-Store-IO": "0"})
    headers = scripted.received[0].headers

    assert headers["x-fal-runner-hint"] == "h"
    assert headers["x-fal-request-timeout"] == "5.0"
    assert headers["x-fal-store-io"] == "0"


def test_a_stream_takes_header_fields(scripted: ScriptedServer) -> None:
    """What a stream is asked for besides, the service reads; that it is a stream stays so."""
    scripted.on("POST", "/run/acme/imgen/stream", stream(b'data: {"a": 1}\n\n'))
    with Client(base_url=scripted.origin) as client:
        client.stream("acme/imgen", {}, headers={"x-mine": "1", "Accept": "text/html"}).done(10)
    headers = scripted.received[0].headers

    assert (headers["x-mine"], headers["accept"]) == ("1", "text/event-stream")


async def test_asynchronously(scripted: ScriptedServer) -> None:
    """The same, awaited."""
    scripted.on("POST", "/run/acme/imgen", answer({"seed": 1}))
    scripted.on("POST", "/run/acme/imgen/stream", stream(b'data: {"a": 1}\n\n'))
    async with AsyncClient(base_url=scripted.origin) as client:
        await client.run("acme/imgen", {}, hint="h")
        await client.stream("acme/imgen", {}, headers={"x-mine": "1"})

    assert [request.headers.get("x-fal-runner-hint") for request in scripted.received] == ["h", None]
    assert scripted.received[1].headers["x-mine"] == "1"


def test_options_that_are_none(scripted: ScriptedServer) -> None:
    """A slip is told before anything is sent, and no key goes by way of the header fields."""
    with Client(base_url=scripted.origin) as client:
        with pytest.raises(InputError, match="start_timeout"):
            client.run("acme/imgen", {}, start_timeout=0)
        with pytest.raises(InputError, match="key"):
            client.run("acme/imgen", {}, headers={"Authorization": "Key x"})
        with pytest.raises(InputError, match="key"):
            client.stream("acme/imgen", {}, headers={"Authorization": "Key x"})

    assert scripted.received == []
