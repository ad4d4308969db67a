from __future__ import annotations

import asyncio
import json
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from nbkit.errors import ConnectionFailed, NbkitError, ServiceError
from nbkit.model.endpoint import Endpoint
from nbkit.providers import schema_cache, schemas
from nbkit.providers.schema_cache import Kept, SchemaCache
from nbkit.providers.schemas import Schemas
from nbkit.transport.http import Transport
from nbkit.wire.fal.addresses import Hosts
from nbkit.wire.fal.openapi import LARGEST_DOCUMENT
from tests.scripted_server import answer, never, reset, stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.scripted_server import ScriptedServer

ENDPOINT = Endpoint.parse("acme/imgen")
ETAG = {"etag": '"v1"'}


def document(*names: str) -> dict[str, Any]:
    """A document whose input has some names."""
    given = {"type": "object", "properties": {name: {"type": "string"} for name in names}}
    body = {"content": {"application/json": {"schema": given}}}
    return {"info": {"title": "Imgen"}, "paths": {"/acme/imgen": {"post": {"requestBody": body}}}}


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    """Connections."""
    connections = Transport(lambda _url: "Key k")
    yield connections
    await connections.close()


@pytest.fixture
def anew(transport: Transport, scripted: ScriptedServer, tmp_path: Path) -> Callable[[], Schemas]:
    """The schemas as another process finds them: nothing in memory, the same folder."""
    hosts = Hosts.of_origin(scripted.origin)
    return lambda: Schemas(transport, hosts, SchemaCache(tmp_path / "schemas"))


def names(schema: Any) -> list[str]:
    """What goes in."""
    return [field.name for field in schema.fields]


def age(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let time pass."""
    later = time.time() + seconds
    monkeypatch.setattr("nbkit.providers.schemas.time.time", lambda: later)


async def test_a_schema_is_asked_for_once_a_day(
    anew: Callable[[], Schemas], scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is kept in memory and on disk, and asked for again when it is a day old."""
    scripted.on("GET", "/openapi.json", answer(document("prompt")), answer(document("prompt", "seed")))
    known = anew()
    first, again, elsewhere = await known.get(ENDPOINT), await known.get(ENDPOINT), await anew().get(ENDPOINT)
    age(monkeypatch, schemas.FRESH + 1)
    newer = await known.get(ENDPOINT)

    assert names(first) == names(again) == names(elsewhere) == ["prompt"]
    assert names(newer) == ["prompt", "seed"]
    assert [request.target for request in scripted.received] == ["/openapi.json?endpoint_id=acme/imgen"] * 2


async def test_what_has_not_changed_is_not_sent_again(
    anew: Callable[[], Schemas], scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service's mark of the version is shown to it, and its word that it still holds makes it fresh."""
    scripted.on("GET", "/openapi.json", answer(document("a"), headers=ETAG), answer(body=b"", status=304))
    await anew().get(ENDPOINT)
    age(monkeypatch, schemas.FRESH + 1)
    confirmed = await anew().get(ENDPOINT)

    assert names(confirmed) == ["a"]
    assert confirmed.problem == ""
    assert names(await anew().get(ENDPOINT)) == ["a"]
    assert [request.headers.get("if-none-match") for request in scripted.received] == [None, '"v1"']


@pytest.mark.parametrize(
    "act", [reset, answer({"detail": "Busy."}, 503), answer(body=b"<html>"), answer([], 200)]
)
async def test_a_service_that_is_down_leaves_what_it_said(
    anew: Callable[[], Schemas], scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch, act: Any
) -> None:
    """An old schema is better than none, and says that it is old."""
    scripted.on("GET", "/openapi.json", answer(document("a")), act)
    await anew().get(ENDPOINT)
    age(monkeypatch, schemas.FRESH + 1)
    kept = await anew().get(ENDPOINT)

    assert names(kept) == ["a"]
    assert kept.problem.startswith("as of 2")
    assert "the service cannot be asked" in kept._repr_mimebundle_()["text/plain"]


async def test_without_a_network_and_a_copy_there_is_an_error(transport: Transport, tmp_path: Path) -> None:
    """Nothing is made up."""
    nowhere = Hosts.of_origin("http://127.0.0.1:9")

    with pytest.raises(ConnectionFailed):
        await Schemas(transport, nowhere, SchemaCache(tmp_path)).get(ENDPOINT)


async def test_an_endpoint_that_is_gone_is_gone(
    anew: Callable[[], Schemas], scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that no longer knows an endpoint is believed."""
    scripted.on("GET", "/openapi.json", answer(document("a")), answer({"detail": "No such model."}, 404))
    await anew().get(ENDPOINT)
    age(monkeypatch, schemas.FRESH + 1)

    with pytest.raises(ServiceError, match="No such model"):
        await anew().get(ENDPOINT)


async def test_a_document_without_end_is_not_read_to_it(
    anew: Callable[[], Schemas], scripted: ScriptedServer
) -> None:
    """A service that sends for ever is left after some megabytes."""
    scripted.on("GET", "/openapi.json", stream(b" " * LARGEST_DOCUMENT, b" " * 10, kind="application/json"))

    with pytest.raises(ServiceError, match="too large"):
        await anew().get(ENDPOINT)


async def test_checking_never_asks_a_service_elsewhere(
    anew: Callable[[], Schemas], scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call waits for nothing: its input is checked by what is on this machine, for a week."""
    scripted.on("GET", "/openapi.json", answer(document("a")))

    assert await anew().known(ENDPOINT) is None
    assert scripted.received == []
    await anew().get(ENDPOINT)
    assert names(await anew().known(ENDPOINT)) == ["a"]
    age(monkeypatch, schemas.TRUSTED + 1)
    assert await anew().known(ENDPOINT) is None
    assert len(scripted.received) == 1


async def test_the_server_of_this_process_is_asked_but_not_waited_for(
    transport: Transport, scripted: ScriptedServer
) -> None:
    """It answers at once or is left alone for a while."""
    scripted.on("GET", "/openapi.json", never, answer(document("a")))
    near = Schemas(transport, Hosts.of_origin(scripted.origin), None)
    began = time.monotonic()

    assert await near.known(ENDPOINT) is None
    assert await near.known(ENDPOINT) is None
    assert time.monotonic() - began < 1
    assert len(scripted.received) == 1
    await asyncio.sleep(0.5)
    assert names(await near.known(ENDPOINT)) == ["a"]


async def test_an_unknown_endpoint_is_not_checked(transport: Transport, scripted: ScriptedServer) -> None:
    """What the server does not describe is for the server to refuse."""
    near = Schemas(transport, Hosts.of_origin(scripted.origin), None)

    assert await near.known(ENDPOINT) is None


async def test_memory_holds_some_hundred_schemas(
    transport: Transport, scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A catalogue that is gone through does not fill the memory."""
    monkeypatch.setattr(schemas, "_MOST_IN_MEMORY", 3)
    scripted.on("GET", "/openapi.json", answer(document("a")))
    near = Schemas(transport, Hosts.of_origin(scripted.origin), None)
    for number in range(6):
        await near.get(Endpoint.parse(f"acme/m{number}"))

    assert len(near._known) == 3


URL = "http://127.0.0.1/openapi.json?endpoint_id=a"


@pytest.mark.parametrize(
    "damage",
    [b"", b"\n", b"{}\nx", b'{"url": 3}\n', b"\xff\xfe", b'{"url": "' + URL.encode() + b'", "size": 9}\nx'],
)
def test_a_broken_file_counts_as_none(tmp_path: Path, damage: bytes) -> None:
    """Half a file, or somebody else's, is as if nothing was kept."""
    cache = SchemaCache(tmp_path)
    cache.write(URL, Kept(b"content", 1.0, "e"))
    [path] = tmp_path.iterdir()

    assert cache.read(URL) == Kept(b"content", 1.0, "e")
    path.write_bytes(damage)
    assert cache.read(URL) is None


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    """A file that cannot be a schema costs no memory."""
    cache = SchemaCache(tmp_path)
    cache.write(URL, Kept(b"content", 1.0))
    [path] = tmp_path.iterdir()
    os.truncate(path, 3 * LARGEST_DOCUMENT)

    assert cache.read(URL) is None


def test_a_folder_that_cannot_be_written_is_borne(tmp_path: Path) -> None:
    """Where nothing can be kept, everything else works."""
    (tmp_path / "file").write_text("")
    cache = SchemaCache(tmp_path / "file" / "schemas")
    cache.write(URL, Kept(b"content", 1.0))

    assert cache.read(URL) is None


def test_the_folder_does_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest are forgotten once there are many, and no half files stay behind."""
    monkeypatch.setattr(schema_cache, "_MOST_FILES", 5)
    monkeypatch.setattr(schema_cache, "_MANY_FEWER", 3)
    cache = SchemaCache(tmp_path)
    for number in range(6):
        cache.write(f"{URL}{number}", Kept(b"content", 1.0))
        os.utime(cache._path(f"{URL}{number}"), (number, number))

    assert len(list(tmp_path.iterdir())) == 3
    assert cache.read(f"{URL}5")
    assert not list(tmp_path.glob("*.part"))


async def test_a_stale_copy_that_cannot_be_read_is_no_reason_to_fail_differently(
    anew: Callable[[], Schemas], scripted: ScriptedServer, tmp_path: Path
) -> None:
    """What was kept by an older version and makes no sense now does not break a check."""
    url = f"{scripted.origin}/openapi.json?endpoint_id=acme/imgen"
    SchemaCache(tmp_path / "schemas").write(url, Kept(json.dumps({"paths": {}}).encode(), time.time()))

    assert await anew().known(ENDPOINT) is None
    with pytest.raises(NbkitError):
        await anew().get(ENDPOINT)


async def test_an_endpoint_that_was_changed_from_here_is_asked_for_anew(
    anew: Callable[[], Schemas], scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By every client of this process, also where its schema is kept; others are not asked for again."""
    monkeypatch.setattr(schemas, "_changed", {})
    scripted.on("GET", "/openapi.json", answer(document("before")), answer(document("after")))
    mine, others = anew(), anew()
    before = [await mine.get(ENDPOINT), await others.get(ENDPOINT)]
    schemas.outdate(Endpoint.parse("acme/another"))
    assert await others.get(ENDPOINT) == before[1]
    schemas.outdate(ENDPOINT)

    assert await others.known(ENDPOINT) is None
    after = [await mine.get(ENDPOINT), await others.get(ENDPOINT), await anew().get(ENDPOINT)]
    assert [names(it) for it in (*before, *after)] == [["before"]] * 2 + [["after"]] * 3
    assert scripted.count("GET") == 2
