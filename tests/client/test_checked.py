from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

import nbkit
from nbkit.credentials import Key
from nbkit.errors import InputError
from nbkit.model.event import Log
from nbkit.model.price import Price
from nbkit.providers.embedded import EMBEDDED
from tests.scripted_server import answer, stream

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.scripted_server import ScriptedServer

GIVEN = {
    "type": "object",
    "required": ["prompt"],
    "properties": {
        "prompt": {"type": "string"},
        "guidance_scale": {"type": "number", "maximum": 20},
        "image_url": {"type": "string"},
    },
}
BODY = {"content": {"application/json": {"schema": GIVEN}}}
DOCUMENT = {"info": {"title": "Imgen"}, "paths": {"/acme/imgen": {"post": {"requestBody": BODY}}}}
WRONG = {"prompt": "a", "guidance": 3}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep schemas of tests out of the user's folder."""
    monkeypatch.setenv("NBKIT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def client(scripted: ScriptedServer) -> Iterator[nbkit.Client]:
    """A client of a service that describes one endpoint."""
    scripted.on("GET", "/openapi.json", answer(DOCUMENT))
    scripted.queue("acme/imgen", output={"seed": 1})
    scripted.on("POST", "/run/acme/imgen", answer({"seed": 1}, headers={"x-fal-billable-units": "2"}))
    with nbkit.Client(base_url=scripted.origin) as client:
        yield client


def test_a_schema_is_for_the_reader_too(client: nbkit.Client) -> None:
    """`client.schema` says what goes in."""
    schema = client.schema("acme/imgen")

    assert isinstance(schema, nbkit.Schema)
    assert [field.name for field in schema.fields] == ["prompt", "guidance_scale", "image_url"]


@pytest.mark.parametrize("way", ["submit", "subscribe", "run", "stream"])
def test_a_slip_is_told_before_anything_is_sent(
    client: nbkit.Client, scripted: ScriptedServer, way: str
) -> None:
    """Whichever way a call goes, a misspelt name costs nothing, and the error says how to send it all the same."""
    client.schema("acme/imgen")
    call = {"stream": lambda *given: client.stream(*given).done()}.get(way) or getattr(client, way)
    with pytest.raises(InputError) as caught:
        call("acme/imgen", WRONG)

    assert caught.value.field == "guidance"
    assert 'did you mean "guidance_scale"?' in str(caught.value)
    assert "Client(validate=False)" in str(caught.value)
    assert scripted.count("POST") == 0


def test_every_problem_is_told_at_once(client: nbkit.Client) -> None:
    """Two slips take one correction, not two."""
    client.schema("acme/imgen")
    with pytest.raises(InputError, match=r"(?s)more than 20.*is missing"):
        client.run("acme/imgen", {"guidance_scale": 99})


def test_without_a_schema_everything_is_sent(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """No call waits for a schema that is not on this machine."""
    client.run("acme/imgen", WRONG)

    assert [request.json for request in scripted.requests("POST")] == [WRONG]
    assert scripted.count("GET", "/openapi.json") == 0


def test_checking_can_be_switched_off(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """Whoever knows better than the schema is not stopped by it."""
    client.schema("acme/imgen")
    with nbkit.Client(base_url=scripted.origin, validate=False) as careless:
        result = careless.run("acme/imgen", WRONG)

    assert result["seed"] == 1
    assert scripted.count("POST") == 1


def test_a_doubtful_name_is_sent_and_told(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """A name that the schema lacks, and that is no slip, goes along with a line in the log."""
    client.schema("acme/imgen")
    run = client.submit("acme/imgen", {"prompt": "a", "zzz": 1})
    run.result()
    [warning] = [event for event in run.events if isinstance(event, Log)]

    assert warning.level == "WARNING"
    assert warning.message == '"zzz" is not an input of acme/imgen; the service may ignore it'
    assert scripted.requests("POST")[0].json == {"prompt": "a", "zzz": 1}


def test_a_file_is_checked_as_the_address_it_becomes(
    client: nbkit.Client, scripted: ScriptedServer, tmp_path: Path
) -> None:
    """A path where an address belongs is no wrong type, and a slip beside it is told before it is uploaded."""
    picture = tmp_path / "a.png"
    picture.write_bytes(b"png")
    client.schema("acme/imgen")
    with pytest.raises(InputError, match="guidance_scale"):
        client.run("acme/imgen", {**WRONG, "image_url": picture})

    assert scripted.count("POST") == 0


def test_a_schema_without_sense_stops_nobody(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """A service that describes itself wrongly is still called."""
    odd: dict[str, Any] = {
        "properties": {"prompt": {"anyOf": [[], 3], "minimum": {}}},
        "required": [None, {}],
    }
    body = {"content": {"application/json": {"schema": odd}}}
    scripted.on("GET", "/openapi.json", answer({"paths": {"/acme/imgen": {"post": {"requestBody": body}}}}))
    client.schema("acme/imgen")

    assert client.run("acme/imgen", {"prompt": "a"})["seed"] == 1


def test_a_broken_check_stops_nobody(client: nbkit.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake of nbkit's own in checking does not cost a call."""
    client.schema("acme/imgen")
    monkeypatch.setattr("nbkit.client.checked.check", lambda *_: 1 / 0)

    assert client.run("acme/imgen", {"prompt": "a"})["seed"] == 1


def test_a_cost_is_known_where_units_and_price_are(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """Units times price; without a price it is unknown, and never nothing."""
    assert client.price("acme/imgen") is None
    unknown = client.run("acme/imgen", {"prompt": "a"})
    [line] = client._calls.session._lines.values()
    line.prices._known["acme/imgen"] = (0.0, Price("acme/imgen", 0.025, "images", "USD"))

    assert (unknown.billable_units, unknown.cost) == (2, None)
    assert client.run("acme/imgen", {"prompt": "a"}).cost == pytest.approx(0.05)
    assert client.subscribe("acme/imgen", {"prompt": "a"}).cost is None
    assert scripted.count("GET", "/v1/models/pricing") == 0


async def test_the_asynchronous_client_does_the_same(scripted: ScriptedServer) -> None:
    """`AsyncClient` has the same methods, awaited."""
    scripted.on("GET", "/openapi.json", answer(DOCUMENT))
    scripted.on("POST", "/run/acme/imgen/stream", stream(b'data: {"seed": 1}\n\n'))
    async with nbkit.AsyncClient(base_url=scripted.origin) as client:
        schema = await client.schema("acme/imgen")
        assert await client.price("acme/imgen") is None
        with pytest.raises(InputError, match="guidance_scale"):
            await client.stream("acme/imgen", WRONG)

    assert schema.title == "Imgen"


def test_the_embedded_server_checks_at_once(
    scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a key nothing needs to be asked for first: the server is near, and answers before it could matter."""

    async def embedded_server() -> SimpleNamespace:
        return SimpleNamespace(base_url=scripted.origin, key=Key("k", EMBEDDED))

    monkeypatch.setattr("nbkit.client.session.embedded_server", embedded_server)
    scripted.on("GET", "/openapi.json", answer(DOCUMENT))
    with nbkit.Client() as client, pytest.raises(InputError, match="did you mean"):
        client.run("acme/imgen", WRONG)

    assert [request.method for request in scripted.received] == ["GET"]
