"""The port at which relays call in, and what strangers get there: nothing."""

from __future__ import annotations

import asyncio
import struct
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from nbkit.errors import ServerError
from nbkit.server import frames
from nbkit.server.executors import handshake, line as line_module
from nbkit.server.executors.line import Expected, Line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HOST = "127.0.0.1"


@asynccontextmanager
async def _open() -> AsyncIterator[tuple[Line, Expected]]:
    line = Line(HOST)
    await line.open()
    try:
        yield line, line.expect()
    finally:
        line.close()


async def _said_to(line: Line, content: bytes) -> bytes:
    """What the line answers until it hangs up."""
    reader, writer = await asyncio.open_connection(*line.address)
    writer.write(content)
    writer.write_eof()
    answer = b""
    try:
        async with asyncio.timeout(10):
            answer = await reader.read()
    except ConnectionError:
        pass
    finally:
        writer.close()
    return answer


async def _call(line: Line, task: str, token: str) -> None:
    reader, writer = await asyncio.open_connection(*line.address)
    try:
        await handshake.call_in(reader, writer, task, token)
        writer.write(frames.pack({"version": "1", "machine": "there", "pid": 7}))
        await writer.drain()
        await reader.read(1)
    finally:
        writer.close()


async def test_who_knows_the_token_is_expected() -> None:
    """And tells which process it is."""
    async with _open() as (line, expected):
        calling = asyncio.create_task(_call(line, expected.task, expected.token))
        visit = await asyncio.wait_for(expected.arrivals.get(), 5)
        visit.cut()
        await asyncio.wait_for(asyncio.gather(calling, return_exceptions=True), 5)

    assert str(visit) == "process 7 on there"


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.builds(
            lambda size, body: struct.pack(">I", size) + body,
            st.integers(0, 2**32 - 1),
            st.binary(max_size=80),
        ),
        st.builds(
            frames.pack,
            st.dictionaries(
                st.sampled_from(["task", "nonce", "proof", "version"]), st.text() | st.integers() | st.none()
            ),
        ),
    )
)
def test_junk_is_hung_up_on(content: bytes) -> None:
    """Whatever it is, it gets no answer, expects no memory, and the line goes on."""

    async def talk() -> None:
        async with _open() as (line, expected):
            assert await _said_to(line, content) == b""
            assert expected.arrivals.empty()

    asyncio.run(talk())


@pytest.mark.parametrize("content", [struct.pack(">I", 2**30), struct.pack(">I", 2**30) + b"x" * 5000])
async def test_a_header_of_a_gigabyte_is_hung_up_on(content: bytes) -> None:
    """Nothing is read behind it."""
    async with _open() as (line, _expected):
        assert await _said_to(line, content) == b""


async def test_a_wrong_token_is_hung_up_on() -> None:
    """And the caller sees that the other side knows another one, before it says anything."""
    async with _open() as (line, expected):
        with pytest.raises(ServerError, match="is not the server that submitted this task"):
            await _call(line, expected.task, "0" * 64)
        assert expected.arrivals.empty()


async def test_a_proof_that_was_guessed_is_hung_up_on() -> None:
    """Knowing the task's name is not enough."""
    async with _open() as (line, expected):
        greeting = frames.pack({"task": expected.task, "nonce": "n"}) + frames.pack({"proof": "0" * 64})
        answer = await _said_to(line, greeting + frames.pack({"version": "1"}))

        assert expected.token.encode() not in answer
        assert expected.arrivals.empty()


async def test_the_token_is_not_said() -> None:
    """Who listens at the port learns nothing that would let it pose as the server later."""
    heard: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(4096))
        writer.close()

    server = await asyncio.start_server(listen, HOST, 0)
    try:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        with pytest.raises((ServerError, EOFError, OSError)):
            await handshake.call_in(reader, writer, "task", "secret-token")
        writer.close()
    finally:
        server.close()

    assert heard
    assert b"secret-token" not in heard[0]


async def test_a_task_that_is_over_is_hung_up_on() -> None:
    """A relay that comes late finds nobody."""
    async with _open() as (line, expected):
        line.forget(expected)
        with pytest.raises((EOFError, OSError)):
            await _call(line, expected.task, expected.token)


async def test_who_says_nothing_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also who stops in the middle, and many of them leave room for those who are expected."""
    monkeypatch.setattr(line_module, "GREETING_SECONDS", 0.5)
    async with _open() as (line, expected):
        silent: list[Any] = [await asyncio.open_connection(*line.address) for _ in range(60)]
        silent[0][1].write(struct.pack(">I", 100) + b"{")
        calling = asyncio.create_task(_call(line, expected.task, expected.token))
        visit = await asyncio.wait_for(expected.arrivals.get(), 5)
        async with asyncio.timeout(5):
            for reader, writer in silent:
                with suppress(ConnectionError):
                    assert await reader.read() == b""
                writer.close()
        visit.cut()
        await asyncio.gather(calling, return_exceptions=True)
