from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import time
from typing import TYPE_CHECKING

import pytest

from nbkit.errors import ConnectionFailed, NbkitError, RequestLost
from nbkit.transport.http import Opened, Transport
from tests.scripted_server import Exchange, answer, never, raw, reset, stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.scripted_server import Act, ScriptedServer


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    """A transport whose key is for everybody, closed at the end."""
    transport = Transport(lambda _url: "Key SECRET-xyz")
    yield transport
    await transport.close()


@pytest.fixture
def nobody() -> str:
    """An address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://127.0.0.1:{taken.getsockname()[1]}/x"


def hang_up(exchange: Exchange) -> None:
    """Read the request, and close the connection in good order without a word."""
    exchange.is_last = True


LOST = {
    "reset after reading": reset,
    "closed after reading": hang_up,
    "no answer in time": never,
    "header cut": raw(b"HTTP/1.1 200 OK\r\nconte"),
    "garbage": raw(b"\x00\xff not http\r\n\r\n"),
    "a mail server": raw(b"220 mail ESMTP\r\n"),
    "body cut": answer({"request_id": "r"}, missing=3),
    "body cut and reset": stream(b"{", then="reset", kind="application/json"),
    "chunks broken": raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"),
    "coding broken": answer(body=b"no gzip", headers={"content-encoding": "gzip"}),
}


@pytest.mark.parametrize("act", LOST.values(), ids=LOST)
async def test_a_paid_request_that_may_have_arrived_is_sent_once(
    act: Act, scripted: ScriptedServer, transport: Transport
) -> None:
    """However the answer fails to come, the request goes out once, and the address is named."""
    scripted.on("POST", "/x", act)
    with pytest.raises(RequestLost, match=f"no answer from {scripted.origin}/x: "):
        await transport.send("POST", scripted.origin + "/x", json={}, may_bill=True, read_timeout=0.2)

    assert scripted.count("POST") == 1
    assert scripted.connections == 1


async def test_a_connection_broken_before_reading_is_unknown_too(
    scripted: ScriptedServer, transport: Transport
) -> None:
    """A connection that was made and broke may have carried the request, so it is not sent again."""
    scripted.reset_unread = 5
    with pytest.raises(RequestLost):
        await transport.send("POST", scripted.origin + "/x", json={"a": "b" * 500_000}, may_bill=True)

    assert scripted.connections == 1


async def test_an_idle_connection_that_the_server_closed_is_not_trusted(
    scripted: ScriptedServer, transport: Transport
) -> None:
    """A paid request on a connection that dies under it is unknown, not sent again behind the caller's back."""
    scripted.on("GET", "/x", answer({}))
    scripted.on("POST", "/x", reset)
    await transport.send("GET", scripted.origin + "/x")
    with pytest.raises(RequestLost):
        await transport.send("POST", scripted.origin + "/x", json={}, may_bill=True)

    assert (scripted.count("POST"), scripted.connections) == (1, 1)


@pytest.mark.parametrize("act", [reset, answer({}, 502), answer({}, 503), answer({"a": 1}, missing=2)])
async def test_a_free_request_is_sent_until_it_is_answered(
    act: Act, scripted: ScriptedServer, transport: Transport
) -> None:
    """Asking again after trouble on the way gets the answer."""
    scripted.on("GET", "/x", act, act, answer({"ok": 1}))

    assert (await transport.send("GET", scripted.origin + "/x")).content == b'{"ok": 1}'


@pytest.mark.parametrize("may_bill", [True, False])
async def test_nobody_there(nobody: str, transport: Transport, may_bill: bool) -> None:  # noqa: FBT001
    """Where nobody listens nothing was started, and the message names the place and the reason."""
    with pytest.raises(ConnectionFailed, match="connection refused") as caught:
        await transport.send("POST", nobody, json={}, may_bill=may_bill)

    assert caught.value.address == nobody.removesuffix("/x")
    assert "is it running" in caught.value.hint


async def test_a_service_that_comes_back_gets_its_request(nobody: str, transport: Transport) -> None:
    """A paid request that found nobody is sent when somebody is there."""
    begun = asyncio.create_task(transport.send("POST", nobody, json={}, may_bill=True))
    await asyncio.sleep(0.02)
    port = int(nobody.rpartition(":")[2].removesuffix("/x"))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", port):
        assert (await begun).status == 200


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("http://no-such-host.invalid/x", ConnectionFailed),
        ("ftp://127.0.0.1/x", ConnectionFailed),
        ("http://[broken/x", ConnectionFailed),
        ("no address", ConnectionFailed),
        ("http://127.0.0.1:99999/x", ConnectionFailed),
        ("", ConnectionFailed),
        ("http://\x00/", ConnectionFailed),
    ],
)
async def test_addresses_that_lead_nowhere(url: str, kind: type[NbkitError], transport: Transport) -> None:
    """An address that is none is an error of ours, for paid requests too."""
    with pytest.raises(kind):
        await transport.send("POST", url, json={}, may_bill=True, attempts=1)


async def test_a_redirect_is_not_followed_with_a_paid_request(
    scripted: ScriptedServer, transport: Transport
) -> None:
    """Who is sent elsewhere is told; the request is not repeated there."""
    scripted.on("POST", "/x", answer({}, 307, headers={"location": "/y"}))

    assert (await transport.send("POST", scripted.origin + "/x", json={}, may_bill=True)).status == 307
    assert scripted.count("POST") == 1


async def test_a_redirect_loop_ends(scripted: ScriptedServer, transport: Transport) -> None:
    """A file that is sent round in circles is given up."""
    scripted.on("GET", "/x", answer({}, 302, headers={"location": "/x"}))
    with pytest.raises(RequestLost, match="redirects"):
        async with transport.open("GET", scripted.origin + "/x", follow_redirects=True):
            pass
    assert scripted.count("GET") < 10


async def test_too_many_requests(scripted: ScriptedServer, transport: Transport) -> None:
    """A request refused for being one too many is sent again when the service says."""
    busy = answer({}, 429, headers={"retry-after": "0.2"})
    scripted.on("POST", "/x", busy, answer({"ok": 1}))
    began = time.monotonic()

    assert (await transport.send("POST", scripted.origin + "/x", json={}, may_bill=True)).status == 200
    assert scripted.count("POST") == 2
    assert time.monotonic() - began > 0.2


async def test_waiting_to_send_again_ends_when_unwanted(
    scripted: ScriptedServer, transport: Transport
) -> None:
    """What was cancelled while it waited is not sent again."""
    scripted.on("POST", "/x", answer({}, 429, headers={"retry-after": "30"}))
    unwanted = asyncio.Event()
    sending = asyncio.create_task(
        transport.send("POST", scripted.origin + "/x", json={}, may_bill=True, unwanted=unwanted)
    )
    await asyncio.sleep(0.1)
    unwanted.set()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(sending, 5)

    assert scripted.count("POST") == 1


@pytest.mark.parametrize(
    "date", ["Wed, 21 Oct 2015 07:28:00 GMT", "nonsense", "-5", "nan", "Wed, 99 Oct 2015"]
)
async def test_odd_waiting_times(date: str, scripted: ScriptedServer, transport: Transport) -> None:
    """A `Retry-After` in the past, or one that is none, does not stop anything."""
    scripted.on("GET", "/x", answer({}, 429, headers={"retry-after": date}), answer({"ok": 1}))

    assert (await transport.send("GET", scripted.origin + "/x")).status == 200


async def test_the_key_goes_where_it_may(scripted: ScriptedServer) -> None:
    """Who decides about keys is asked for each address; `with_key=False` sends none anywhere."""
    transport = Transport(lambda url: "Key k" if url.endswith("/mine") else None)
    for path, with_key in (("/mine", True), ("/theirs", True), ("/mine", False)):
        await transport.send("GET", scripted.origin + path, with_key=with_key)
    await transport.close()

    assert [it.headers.get("authorization") for it in scripted.received] == ["Key k", None, None]


async def test_a_redirected_download_takes_no_key_along(
    scripted: ScriptedServer, transport: Transport
) -> None:
    """Neither the first nor the second host of a download sees the key."""
    elsewhere = f"http://localhost:{scripted.port}/y"
    scripted.on("GET", "/x", answer({}, 302, headers={"location": elsewhere}))
    scripted.on("GET", "/y", answer({}))
    async with transport.open("GET", scripted.origin + "/x", with_key=False, follow_redirects=True) as opened:
        assert opened.status == 200

    assert [it.headers.get("authorization") for it in scripted.received] == [None, None]


async def test_a_big_body_is_sent_in_pieces_and_again(scripted: ScriptedServer, transport: Transport) -> None:
    """A file that is lost on the way is sent again from its start, with its length announced."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b"x" * 100_000

    scripted.on("PUT", "/x", reset, answer({}))
    await transport.send("PUT", scripted.origin + "/x", content=pieces, headers={"content-length": "1000000"})

    last = scripted.requests("PUT")[-1]
    assert (len(last.body), last.headers.get("content-length")) == (1_000_000, "1000000")
    assert "transfer-encoding" not in last.headers


async def test_compressed_answers_are_read(scripted: ScriptedServer, transport: Transport) -> None:
    """A body that the service compressed arrives as it was."""
    scripted.on("GET", "/x", answer(body=gzip.compress(b'{"a": 1}'), headers={"content-encoding": "gzip"}))

    assert (await transport.send("GET", scripted.origin + "/x")).content == b'{"a": 1}'


async def test_a_slow_answer_is_waited_for(scripted: ScriptedServer, transport: Transport) -> None:
    """Silence is borne up to the limit, and without one for as long as it takes."""
    scripted.on("GET", "/x", answer({}, after=0.4))

    assert (await transport.send("GET", scripted.origin + "/x", read_timeout=None)).status == 200


async def test_giving_up_closes_the_connection(scripted: ScriptedServer, transport: Transport) -> None:
    """Who stops waiting hangs up, which is how a direct call is cancelled."""
    scripted.on("POST", "/x", never)
    sending = asyncio.create_task(transport.send("POST", scripted.origin + "/x", json={}, read_timeout=None))
    await asyncio.to_thread(scripted.until, lambda: scripted.received)
    sending.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await sending
    await asyncio.to_thread(scripted.until, lambda: scripted.hang_ups)

    assert [it.path for it in scripted.hang_ups] == ["/x"]


async def test_errors_of_the_reader_stay_its_own(scripted: ScriptedServer, transport: Transport) -> None:
    """A full disk while reading an answer is not blamed on the service."""
    scripted.on("GET", "/x", answer({}))
    with pytest.raises(OSError, match="disk"):
        async with transport.open("GET", scripted.origin + "/x"):
            raise OSError(28, "the disk is full")


async def test_reading_has_a_limit() -> None:
    """A body without end is read up to a limit."""

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 100

    assert len(await Opened(200, {}, endless()).read(1234)) == 1234


async def test_many_at_once(scripted: ScriptedServer, transport: Transport) -> None:
    """A hundred requests at once all get their answers."""
    scripted.on("GET", "/x", answer({}, after=0.1))
    answers = await asyncio.gather(*(transport.send("GET", scripted.origin + "/x") for _ in range(100)))

    assert {it.status for it in answers} == {200}
