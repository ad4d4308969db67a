from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest

from nbkit.credentials import Key
from nbkit.errors import (
    ConnectionFailed,
    NbkitError,
    RunCancelled,
    RunFailed,
    RunUnknown,
    ServiceError,
    StreamBroken,
    ValidationFailed,
)
from nbkit.model.endpoint import Endpoint
from nbkit.model.event import Event, Failed, Log, Output, Queued, Started, StepFinished, StepStarted
from nbkit.providers import fal
from nbkit.providers.fal import FalService
from nbkit.wire.fal.addresses import Hosts
from nbkit.wire.fal.queue import StatusReader, Ticket
from nbkit.wire.sse import encode
from tests.scripted_server import Exchange, answer, never, raw, reset, stream

if TYPE_CHECKING:
    from tests.scripted_server import Act, ScriptedServer

APP = Endpoint.parse("acme/imgen")
FLOW = Endpoint.parse("workflows/ann/sticker")
SUBMIT, DIRECT, STREAM = "/queue/acme/imgen", "/run/acme/imgen", "/run/acme/imgen/stream"
FROM_MODEL = {"x-fal-request-id": "r1"}
PAGE = b"<html><title>502 Bad Gateway</title><hr>nginx</html>"
DONE = {"status": "COMPLETED", "logs": [], "metrics": {"inference_time": 1.5}}
QUEUED = {"status": "IN_QUEUE", "queue_position": 1}
RUNNING = {"status": "IN_PROGRESS", "logs": [{"timestamp": "t", "message": "m"}]}


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bear silence and outages for as long as a test can."""
    monkeypatch.setattr(fal, "_FIRST_STATUS_WITHIN", 0.3)
    monkeypatch.setattr(fal, "_STATUS_SILENCE", 0.6)
    monkeypatch.setattr(fal, "_QUICKEST_POLL", 0.01)
    monkeypatch.setattr(fal, "_OUTAGE_NEAR", 0.3)
    monkeypatch.setattr(fal, "_SLOWEST_POLL", 0.1)


def pushed(*bodies: Any) -> bytes:
    """Status answers as a stream pushes them."""
    return b"".join(encode(body) for body in bodies)


async def followed(service: FalService, ticket: Ticket | None = None) -> list[Event]:
    """Every event of a request."""
    ticket = ticket or Ticket.of(service.hosts, APP, "r1")
    return [event async for event in service.follow(ticket, StatusReader())]


async def streamed(service: FalService, endpoint: Endpoint = APP, silence: float = 0.5) -> list[Event]:
    """Every event of a streamed call."""
    return [event async for event in service.stream(endpoint, {}, silence=silence, about={})]


async def test_a_submit_is_a_post_with_the_key(scripted: ScriptedServer, service: FalService) -> None:
    """The input goes to the endpoint's queue as JSON, once, with the key and the options."""
    scripted.queue()
    ticket = await service.submit(APP, {"prompt": "Füße"}, priority="low", webhook_url="https://me")

    (post,) = scripted.requests("POST")
    assert (post.path, unquote(post.target)) == (SUBMIT, f"{SUBMIT}?fal_webhook=https://me")
    assert (post.json, post.headers["authorization"]) == ({"prompt": "Füße"}, "Key SECRET-xyz")
    assert (post.headers["content-type"], post.headers["x-fal-queue-priority"]) == ("application/json", "low")
    assert ticket.request_id == "r1"


UNKNOWN: dict[str, Act] = {
    "reset": reset,
    "garbage": raw(b"no http\r\n\r\n"),
    "cut": answer({"request_id": "r1"}, missing=4),
    "a proxy's 500": answer(body=PAGE, status=500),
    "a proxy's 502": answer(body=PAGE, status=502),
    "a proxy's 503": answer(body=PAGE, status=503),
    "a proxy's 504": answer(body=PAGE, status=504),
}


@pytest.mark.parametrize("act", UNKNOWN.values(), ids=UNKNOWN)
@pytest.mark.parametrize("way", ["submit", "run"])
async def test_what_may_have_been_paid_for_is_not_sent_twice(
    way: str, act: Act, scripted: ScriptedServer, service: FalService
) -> None:
    """A lost answer leaves the run unknown; it was sent once, and a person is told where to look."""
    scripted.on("POST", SUBMIT if way == "submit" else DIRECT, act)
    with pytest.raises(RunUnknown, match=r"acme/imgen") as caught:
        await getattr(service, way)(APP, {})

    assert scripted.count("POST") == 1
    assert "look for it" in caught.value.hint
    assert caught.value.endpoint == "acme/imgen"


@pytest.mark.parametrize(
    ("body", "label"), [(b"", "empty"), (b"<html>", "page"), (b"[]", "list"), (b'{"id": 1}', "other")]
)
async def test_a_submit_that_gives_no_id(
    body: bytes, label: str, scripted: ScriptedServer, service: FalService
) -> None:
    """A service that took the request and gives nothing to follow it by leaves it unknown, sent once."""
    scripted.on("POST", SUBMIT, answer(body=body))
    with pytest.raises(RunUnknown, match="no request id"):
        await service.submit(APP, {"label": label})

    assert scripted.count("POST") == 1


REFUSED: dict[str, tuple[Act, type[NbkitError], str]] = {
    "a field": (
        answer({"detail": [{"loc": ["body", "prompt"], "msg": "Field required", "type": "missing"}]}, 422),
        ValidationFailed,
        "prompt: Field required",
    ),
    "a bad key": (answer({"detail": "bad key"}, 401), ServiceError, r"bad key \(HTTP 401\)\n  → .*FAL_KEY"),
    "not found": (answer({"detail": "no such app"}, 404), ServiceError, "no such app"),
    "the model's 500": (answer({"detail": "oops"}, 500, headers=FROM_MODEL), ServiceError, "oops"),
    "the model's 504": (answer({"detail": "slow"}, 504, headers=FROM_MODEL), ServiceError, "slow"),
    "a redirect": (answer({}, 307, headers={"location": "http://evil/"}), ServiceError, "307"),
    "a long wait": (answer({"detail": "busy"}, 429, headers={"retry-after": "3600"}), ServiceError, "busy"),
}


@pytest.mark.parametrize("refusal", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("way", ["submit", "run", "stream"])
async def test_what_is_refused_is_told_in_the_services_words(
    way: str, refusal: tuple[Act, type[NbkitError], str], scripted: ScriptedServer, service: FalService
) -> None:
    """A refusal is one clear message with the reason, after one request."""
    act, kind, words = refusal
    for path in (SUBMIT, DIRECT, STREAM):
        scripted.on("POST", path, act)
    with pytest.raises(kind, match=words) as caught:
        await (streamed(service) if way == "stream" else getattr(service, way)(APP, {}))

    assert type(caught.value) is kind
    assert scripted.count("POST") == 1


async def test_a_submit_waits_its_turn(scripted: ScriptedServer, service: FalService) -> None:
    """A request turned away at the door is sent again; so is one that the service says it did not start."""
    scripted.queue()
    ticket = scripted._scripts["POST", SUBMIT]
    again = {"retry-after": "0.01"}
    busy = answer({}, 429, headers=again)
    down = answer({}, 503, headers={**again, "x-fal-error-type": "runner_scheduling_failure"})
    scripted.on("POST", SUBMIT, busy, down, *ticket)

    assert (await service.submit(APP, {})).request_id == "r1"
    assert scripted.count("POST") == 3


async def test_a_runner_that_was_lost_may_have_begun(scripted: ScriptedServer, service: FalService) -> None:
    """Advice to try again is no word that nothing was started: a runner that went away is not paid twice."""
    lost = {"x-fal-needs-retry": "1", "x-fal-error-type": "runner_disconnected", "x-fal-request-id": "r1"}
    scripted.on("POST", DIRECT, answer({"detail": "gone"}, 503, headers=lost))
    with pytest.raises(ServiceError, match="gone"):
        await service.run(APP, {})

    assert scripted.count("POST") == 1


async def test_nobody_there() -> None:
    """Where nothing listens nothing was started, and the address is named."""
    service = FalService(Hosts.of_origin("http://127.0.0.1:9"))
    for call in (service.submit(APP, {}), service.run(APP, {}), streamed(service)):
        with pytest.raises(ConnectionFailed, match=r"127\.0\.0\.1:9"):
            await call
    await service.transport.close()


async def test_a_service_that_repeats_the_key(scripted: ScriptedServer, service: FalService) -> None:
    """A service, or a tool for looking at requests, that sends the key back does not get it shown."""

    def echo(exchange: Exchange) -> None:
        words = f"invalid {exchange.request.headers['authorization']}"
        answer({"detail": words}, 401, headers=FROM_MODEL)(exchange)

    for method, path in (("POST", SUBMIT), ("POST", STREAM), ("GET", f"{SUBMIT}/requests/r1/status")):
        scripted.on(method, path, echo)
    ticket = Ticket.of(service.hosts, APP, "r1")
    for call in (service.submit(APP, {}), streamed(service), service.status(ticket), followed(service)):
        with pytest.raises(ServiceError, match="invalid Key <key>") as caught:
            await call
        assert "SECRET-xyz" not in repr(vars(caught.value))


async def test_pushed_status_is_followed(scripted: ScriptedServer, service: FalService) -> None:
    """Where the service pushes, nothing is polled, however the stream is cut."""
    whole = pushed(QUEUED, RUNNING) + b": ping\n\n" + pushed(DONE)
    scripted.queue(pushed=stream(whole[:13], whole[13:50], whole[50:], then="hold"))

    assert await followed(service) == [Queued(1), Started(), Log("m", "t")]
    assert [request.path.rpartition("/")[2] for request in scripted.received] == ["stream"]


BROKEN: dict[str, Act] = {
    "no such stream": answer({}, 404),
    "not a stream": answer({"status": "IN_QUEUE"}),
    "an empty stream": stream(),
    "a buffered stream": stream(then="hold"),
    "a stream that ends early": stream(pushed(QUEUED)),
    "a stream that is cut": stream(pushed(QUEUED, RUNNING)[:70], then="reset"),
    "a stream that goes silent": stream(pushed(QUEUED), then="hold"),
    "a stream of garbage": stream(b"data: {broken\n\n"),
    "no answer": never,
    "a reset": reset,
    "no HTTP": raw(b"hello"),
}


@pytest.mark.parametrize("act", BROKEN.values(), ids=BROKEN)
async def test_status_is_polled_where_it_is_not_pushed(
    act: Act, scripted: ScriptedServer, service: FalService
) -> None:
    """Whatever is wrong with the stream, the run is followed to its end, each event told once."""
    scripted.queue(pushed=act, statuses=[QUEUED, QUEUED, RUNNING, RUNNING, DONE])
    events = await followed(service)

    assert events in ([Queued(1), Started(), Log("m", "t")], [Started(), Log("m", "t")])


@pytest.mark.parametrize(
    "act", [reset, answer({}, 502), answer({}, 500), answer(body=PAGE), answer([]), answer({"status": 7})]
)
async def test_an_outage_is_borne(act: Act, scripted: ScriptedServer, service: FalService) -> None:
    """Some bad answers to the question for the status do not end the run."""
    place = scripted.queue()
    scripted.on("GET", f"{place}/status", act, answer(RUNNING), act, act, answer(DONE))

    assert await followed(service) == [Started(), Log("m", "t")]


@pytest.mark.parametrize(
    ("act", "words"),
    [(answer(body=PAGE), "is no status"), (answer({}, 500), "Internal"), (reset, "no answer")],
)
async def test_an_outage_without_end_is_told(
    act: Act, words: str, scripted: ScriptedServer, service: FalService
) -> None:
    """A status that can never be had ends the wait with how to take it up again."""
    scripted.on("GET", f"{scripted.queue()}/status", act)
    with pytest.raises(NbkitError, match=words) as caught:
        await followed(service)

    assert "r1" in caught.value.hint
    assert "attach" in caught.value.hint


async def test_a_request_that_nobody_knows(scripted: ScriptedServer, service: FalService) -> None:
    """An id that the service does not know is told at once."""
    with pytest.raises(ServiceError, match="asking for request r1: Not Found"):
        await followed(service)
    assert scripted.count("GET") <= 2


async def test_the_key_stays_with_its_service(scripted: ScriptedServer, service: FalService) -> None:
    """A ticket that points elsewhere is followed there without the key."""
    elsewhere = f"http://localhost:{scripted.port}/queue/acme/imgen/requests/r1"
    ticket = {
        "status_url": f"{elsewhere}/status",
        "response_url": elsewhere,
        "cancel_url": f"{elsewhere}/cancel",
    }
    scripted.queue(ticket=ticket)
    got = await service.submit(APP, {})
    await followed(service, got)
    await service.result(APP, got)
    await service.cancel(got)

    assert [it.method for it in scripted.received if "authorization" in it.headers] == ["POST"]
    assert {it.method for it in scripted.received} == {"POST", "GET", "PUT"}


def completed(error: str = "") -> StatusReader:
    """A reader that has seen the end."""
    reader = StatusReader()
    reader.read({**DONE, "error": error})
    return reader


async def test_a_result_is_the_output_and_what_came_with_it(
    scripted: ScriptedServer, service: FalService
) -> None:
    """The output is given as it came, with what the service measured and will bill."""
    place = scripted.queue()
    headers = {"x-fal-billable-units": "2.5", "x-nbkit-stand-in": "collage"}
    scripted.on("GET", place, answer({"seed": 1}, headers=headers))
    reply = await service.result(APP, Ticket.of(service.hosts, APP, "r1"), completed())

    assert (reply.data, reply.request_id, reply.billable_units) == ({"seed": 1}, "r1", 2.5)
    assert (reply.stand_in, reply.metrics) == ("collage", {"inference_time": 1.5})


@pytest.mark.parametrize(
    ("body", "data"), [(b"null", None), (b"7", 7), (b"text", "text"), (b"[" * 9999, "[" * 9999)]
)
async def test_outputs_of_any_shape(
    body: bytes, data: Any, scripted: ScriptedServer, service: FalService
) -> None:
    """What was paid for is given, whatever it is."""
    scripted.on("POST", DIRECT, answer(body=body))

    assert (await service.run(APP, {})).data == data


FAILED: dict[str, tuple[Act, type[NbkitError], str]] = {
    "fields": (
        answer(
            {"detail": [{"loc": ["body", "seed"], "msg": "too big", "type": "x"}]}, 422, headers=FROM_MODEL
        ),
        RunFailed,
        "acme/imgen failed: seed: too big",
    ),
    "cancelled": (answer({"detail": "x"}, 499, headers=FROM_MODEL), RunCancelled, "was cancelled"),
    "cancelled by word": (
        answer({"detail": "x", "error_type": "client_cancelled"}, 400, headers=FROM_MODEL),
        RunCancelled,
        "was cancelled",
    ),
    "the model": (answer({"detail": "CUDA"}, 503, headers=FROM_MODEL), RunFailed, "CUDA"),
    "not started in time": (
        answer({"detail": "x"}, 504, headers={**FROM_MODEL, "x-fal-request-timeout-type": "user"}),
        RunFailed,
        "start_timeout",
    ),
    "a proxy": (answer(body=PAGE, status=502), RunUnknown, "its result cannot be fetched"),
}


@pytest.mark.parametrize(("act", "kind", "words"), FAILED.values(), ids=FAILED)
async def test_a_run_that_ended_badly(
    act: Act, kind: type[NbkitError], words: str, scripted: ScriptedServer, service: FalService
) -> None:
    """Each bad end has its class, the service's words and the request's id."""
    scripted.on("GET", scripted.queue(), act)
    with pytest.raises(kind, match=words) as caught:
        await service.result(APP, Ticket.of(service.hosts, APP, "r1"), completed())

    assert "r1" in str(caught.value)


@pytest.mark.parametrize(
    ("act", "word"),
    [
        (answer({"status": "CANCELLATION_REQUESTED"}, 202), "CANCELLATION_REQUESTED"),
        (answer({"status": "OK"}), "OK"),
        (answer({"status": "ALREADY_COMPLETED"}, 400), "ALREADY_COMPLETED"),
        (answer({"success": True}), "OK"),
        (answer(body=b""), "OK"),
    ],
)
async def test_cancelling(act: Act, word: str, scripted: ScriptedServer, service: FalService) -> None:
    """A cancel is one PUT without a body, and the service's word for what it did comes back."""
    scripted.on("PUT", f"{scripted.queue()}/cancel", act)

    assert await service.cancel(Ticket.of(service.hosts, APP, "r1")) == word
    assert [it.body for it in scripted.requests("PUT")] == [b""]


async def test_cancelling_what_nobody_knows(scripted: ScriptedServer, service: FalService) -> None:
    """A request that is not there cannot be cancelled."""
    scripted.on("PUT", f"{scripted.queue()}/cancel", answer({"status": "NOT_FOUND"}, 404))
    with pytest.raises(ServiceError, match="cancelling request r1: not found"):
        await service.cancel(Ticket.of(service.hosts, APP, "r1"))


async def test_a_models_stream(scripted: ScriptedServer, service: FalService) -> None:
    """Each event is given as it comes; signs of life are none."""
    parts = [b": hi\n\n", encode({"n": 1}), b"event: ping\ndata:\n\n", encode({"n": 2}, event="event")]
    scripted.on("POST", STREAM, stream(*parts, headers=FROM_MODEL))
    about: dict[str, str] = {}
    events = [event async for event in service.stream(APP, {"a": 1}, silence=1, about=about)]

    assert events == [Output({"n": 1}), Output({"n": 2})]
    assert about == {"request_id": "r1", "stand_in": ""}
    assert scripted.requests("POST")[0].headers["accept"] == "text/event-stream"


STEPS = [
    {"type": "submit", "node_id": "n", "app_id": "a/b", "request_id": "q"},
    {"type": "completion", "node_id": "n", "output": {"x": 1}},
]
RESULT = {"type": "output", "output": {"y": 2}}


@pytest.mark.parametrize("then", ["end", "hold"])
async def test_a_workflows_stream(then: Any, scripted: ScriptedServer, service: FalService) -> None:
    """Steps and result are told, and the result is the end even where the connection stays open."""
    scripted.on(
        "POST", "/run/workflows/ann/sticker/stream", stream(*map(encode, [*STEPS, RESULT]), then=then)
    )

    assert await streamed(service, FLOW, silence=60) == [
        StepStarted("n", "a/b", "q"),
        StepFinished("n", {"x": 1}),
        Output({"y": 2}, final=True),
    ]


async def test_a_workflow_that_fails(scripted: ScriptedServer, service: FalService) -> None:
    """A failed step is an event, and the last one."""
    failure = {"type": "error", "node_id": "n", "message": "no", "error": {"status": 422, "body": {}}}
    scripted.on("POST", "/run/workflows/ann/sticker/stream", stream(encode(STEPS[0]), encode(failure)))

    assert (await streamed(service, FLOW))[-1] == Failed("no", 422, node="n")


CUT: dict[str, tuple[Endpoint, Act]] = {
    "reset at once": (APP, reset),
    "no answer": (APP, never),
    "no HTTP": (APP, raw(b"hello")),
    "silence": (APP, stream(encode({"n": 1}), then="hold")),
    "reset": (APP, stream(encode({"n": 1}), then="reset")),
    "cut": (APP, stream(encode({"n": 1}), then="cut")),
    "inside an event": (APP, stream(encode({"n": 1}), b'data: {"n"')),
    "no JSON": (APP, stream(b"data: {broken\n\n")),
    "a workflow without its end": (FLOW, stream(*map(encode, STEPS))),
    "a workflow that gives nothing": (FLOW, stream()),
}


@pytest.mark.parametrize(("endpoint", "act"), CUT.values(), ids=CUT)
async def test_a_stream_that_is_cut_is_no_result(
    endpoint: Endpoint, act: Act, scripted: ScriptedServer, service: FalService
) -> None:
    """Half a stream is an error that says so, after one request, and soon."""
    scripted.on("POST", f"/run/{endpoint}/stream", act)
    with pytest.raises(StreamBroken, match=r"stream"):
        await streamed(service, endpoint)

    assert scripted.count("POST") == 1


@pytest.mark.parametrize("cut", range(0, 120, 7))
async def test_a_workflows_stream_cut_anywhere(
    cut: int, scripted: ScriptedServer, service: FalService
) -> None:
    """Wherever a workflow's stream is cut before its result, it is no result."""
    sent = b"".join(map(encode, [*STEPS, RESULT]))[:cut]
    scripted.on("POST", "/run/workflows/ann/sticker/stream", stream(sent))
    with pytest.raises(StreamBroken):
        await streamed(service, FLOW)


async def test_a_stream_behind_a_broken_proxy(scripted: ScriptedServer, service: FalService) -> None:
    """A proxy's error leaves a streamed call as unknown as any other."""
    scripted.on("POST", STREAM, answer(body=PAGE, status=504))
    with pytest.raises(RunUnknown, match="502 Bad Gateway"):
        await streamed(service)
    assert scripted.count("POST") == 1


async def test_an_answer_instead_of_a_stream(scripted: ScriptedServer, service: FalService) -> None:
    """An endpoint that does not stream is told as that."""
    scripted.on("POST", STREAM, answer({"images": []}))
    with pytest.raises(ServiceError, match="application/json instead of a stream") as caught:
        await streamed(service)
    assert json.loads(caught.value.body) == {"images": []}


async def test_the_key_can_be_one_that_is_missing(scripted: ScriptedServer) -> None:
    """Without a key none is sent."""
    scripted.queue()
    for key in (None, Key("k", "key=")):
        service = FalService(Hosts.of_origin(scripted.origin), key)
        await service.submit(APP, {})
        await service.transport.close()

    assert [it.headers.get("authorization") for it in scripted.received] == [None, "Key k"]


async def test_a_page_is_no_result(scripted: ScriptedServer, service: FalService) -> None:
    """A network's login page that answers with 200 is no output, and nobody knows what became of a paid call."""
    page = answer("<html><title>Log in</title></html>", headers={"content-type": "text/html; charset=utf-8"})
    scripted.on("POST", DIRECT, page)
    with pytest.raises(RunUnknown, match="a web page came"):
        await service.run(APP, {})

    assert scripted.count("POST") == 1
