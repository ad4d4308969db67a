from __future__ import annotations

import contextlib
import json
import threading
import time
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
from PIL import Image
from websockets.sync.server import Server, ServerConnection, serve

import nbkit
from nbkit.errors import ConfigError, ConnectionFailed, InputError, RunTimeout, ServiceError, StreamBroken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Play = Callable[[Callable[[ServerConnection], None]], str]


@pytest.fixture
def play() -> Iterator[Play]:
    """A service whose sessions go as a test says."""
    servers: list[Server] = []

    def begin(handler: Callable[[ServerConnection], None]) -> str:
        server = serve(handler, "127.0.0.1", 0)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.socket.getsockname()[1]}"

    yield begin
    for server in servers:
        server.shutdown()


def echo(connection: ServerConnection) -> None:
    """Give back what comes."""
    for frame in connection:
        connection.send(frame)


def test_inputs_go_and_answers_come(play: Play, tmp_path: Path) -> None:
    """Values arrive as they are, bytes as bytes, and files as data URIs."""
    picture = tmp_path / "a.png"
    Image.new("RGB", (2, 2)).save(picture)
    with nbkit.Client(base_url=play(echo)) as client, client.realtime("acme/imgen") as session:
        session.send({"prompt": "a", "seed": 1, "raw": b"\x00\xff", "image_url": picture})
        session.send({"prompt": "b"})
        first, second = session.receive(), session.receive(timeout=5)

    assert (first["prompt"], first["seed"], first["raw"]) == ("a", 1, b"\x00\xff")
    assert first["image_url"].startswith("data:image/png;base64,")
    assert second == {"prompt": "b"}


def test_words_about_the_session_are_passed_over(play: Play) -> None:
    """Messages are no answers, and a session that times out ends quietly."""

    def handler(connection: ServerConnection) -> None:
        connection.send(json.dumps({"type": "x-fal-message", "action": "timings"}))
        connection.send(msgpack.packb({"n": 1}))
        connection.send(json.dumps({"n": 2}))
        connection.send(json.dumps({"type": "x-fal-error", "error": "TIMEOUT", "reason": "idle"}))
        with contextlib.suppress(Exception):
            connection.recv()

    with nbkit.Client(base_url=play(handler)) as client, client.realtime("acme/imgen") as session:
        answers = list(session)
        after = session.receive()
        with pytest.raises(StreamBroken, match="is over"):
            session.send({})

    assert answers == [{"n": 1}, {"n": 2}]
    assert after is None


def test_an_error_is_raised_and_the_session_goes_on(play: Play) -> None:
    """An input that a model refuses does not end the session by itself."""

    def handler(connection: ServerConnection) -> None:
        connection.recv()
        connection.send(json.dumps({"type": "x-fal-error", "error": "INTERNAL_ERROR", "reason": "too large"}))
        connection.send(msgpack.packb(connection.recv()))

    with nbkit.Client(base_url=play(handler)) as client, client.realtime("acme/imgen") as session:
        session.send({"a": 1})
        with pytest.raises(ServiceError, match="INTERNAL_ERROR: too large"):
            session.receive()
        session.send({"a": 2})
        assert msgpack.unpackb(session.receive()) == {"a": 2}
        assert session.receive() is None


@pytest.mark.parametrize("way", ["break", "garbage", "1011"])
def test_a_session_that_breaks_is_told(play: Play, way: str) -> None:
    """A connection that is gone, and one that sends nonsense, are errors with words."""

    def handler(connection: ServerConnection) -> None:
        if way == "break":
            connection.socket.close()
        elif way == "garbage":
            connection.send(b"\xc1")
        else:
            connection.close(1011, "the model crashed")

    with (
        nbkit.Client(base_url=play(handler)) as client,
        client.realtime("acme/imgen") as session,
        pytest.raises(StreamBroken),
    ):
        session.receive()


def test_waiting_for_an_answer_has_an_end(play: Play) -> None:
    """A time limit ends the wait, not the session."""
    release = threading.Event()

    def handler(connection: ServerConnection) -> None:
        release.wait(5)
        echo(connection)

    with nbkit.Client(base_url=play(handler)) as client, client.realtime("acme/imgen") as session:
        session.send({"a": 1})
        with pytest.raises(RunTimeout, match=r"within 0\.1 s"):
            session.receive(timeout=0.1)
        release.set()

        assert session.receive(timeout=5) == {"a": 1}


def test_a_reader_who_is_busy_loses_nothing(play: Play) -> None:
    """Answers wait at the service when nobody takes them, and none is dropped."""

    def handler(connection: ServerConnection) -> None:
        for number in range(300):
            connection.send(msgpack.packb({"n": number, "filler": b" " * 10_000}))

    with nbkit.Client(base_url=play(handler)) as client, client.realtime("acme/imgen") as session:
        time.sleep(0.3)
        numbers = [answer["n"] for answer in session]

    assert numbers == list(range(300))


def test_what_cannot_be_opened_is_told(play: Play) -> None:
    """No service, a wrong option, a session that is not open, and one that was open before."""
    with nbkit.Client(base_url="http://127.0.0.1:9") as client:
        with pytest.raises(ConnectionFailed, match="cannot open a session"):
            client.realtime("acme/imgen").__enter__()
        with pytest.raises(InputError, match="max_buffering"):
            client.realtime("acme/imgen", max_buffering=99).__enter__()
        with pytest.raises(StreamBroken, match="is not open"):
            client.realtime("acme/imgen").send({})
    with nbkit.Client(base_url=play(echo)) as client:
        session = client.realtime("acme/imgen")
        with session:
            pass
        with pytest.raises(StreamBroken, match="opened before"):
            session.__enter__()


def test_an_input_that_is_none_is_refused(play: Play) -> None:
    """Only a dict of values that can be sent goes out."""
    with nbkit.Client(base_url=play(echo)) as client, client.realtime("acme/imgen") as session:
        with pytest.raises(InputError, match="is a dict"):
            session.send([1])  # type: ignore[arg-type]
        with pytest.raises(InputError, match="that can be sent"):
            session.send({"a": object()})
        session.send({"a": 1})

        assert session.receive() == {"a": 1}


def test_a_client_that_closes_ends_its_sessions(play: Play) -> None:
    """No connection outlives its client."""
    gone = threading.Event()

    def handler(connection: ServerConnection) -> None:
        with contextlib.suppress(Exception):
            connection.recv()
        gone.set()

    client = nbkit.Client(base_url=play(handler))
    session = client.realtime("acme/imgen")
    session.__enter__()
    client.close()

    assert gone.wait(5)


async def test_the_asynchronous_twin_does_the_same(play: Play) -> None:
    """`async with`, awaited calls and `async for`."""

    def handler(connection: ServerConnection) -> None:
        for _ in range(2):
            connection.send(connection.recv())
        connection.close()

    async with (
        nbkit.AsyncClient(base_url=play(handler)) as client,
        client.realtime("acme/imgen", max_buffering=1) as session,
    ):
        await session.send({"n": 1})
        first = await session.receive(timeout=5)
        await session.send({"n": 2})
        rest: list[Any] = [answer async for answer in session]

    assert [first, *rest] == [{"n": 1}, {"n": 2}]


def test_without_its_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the extra."""
    monkeypatch.setitem(__import__("sys").modules, "websockets.asyncio.client", None)

    with (
        nbkit.Client(base_url="http://127.0.0.1:9") as client,
        pytest.raises(ConfigError, match=r"nbkit-media\[realtime\]"),
    ):
        client.realtime("acme/imgen").__enter__()
