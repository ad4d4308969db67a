"""Runs that ask a person, and streams that are taken up again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import nbkit
from nbkit.errors import InputError, RequestLost, ServiceError
from nbkit.model.event import Log, Paused, Started, StepFinished, StepStarted
from tests.dify_recordings import NEW, Recording, recording, serve_files
from tests.scripted_server import answer, reset, stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbkit.client.run import Run
    from tests.scripted_server import Act, Exchange, ScriptedServer

APP, START = "dify/default", "/v1/workflows/run"
ASKED = recording(f"{NEW}/61-human-stream-raw.raw")
AFTER = recording(f"{NEW}/65-human-detail-after.http")
RUN_ID = ASKED.events[0]["workflow_run_id"]
TOKEN = "xjsLzTXdT90h2AyELFoci7"
FORM, EVENTS, DETAIL = f"/v1/form/human_input/{TOKEN}", f"/v1/workflow/{RUN_ID}/events", f"{START}/{RUN_ID}"
LATER = {"content-type": "text/event-stream", "x-version": "1.14.0"}


@pytest.fixture
def client(scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[nbkit.Client]:
    """A client that is connected to the scripted server."""
    monkeypatch.setenv("DIFY_BASE_URL", scripted.origin)
    monkeypatch.setenv("DIFY_API_KEY", "app-SECRETSECRETSECRETSECRET")
    serve_files(scripted, AFTER)
    with nbkit.Client(user="u1") as client:
        yield client


def sent(payload: dict[str, Any]) -> bytes:
    """An event as a server sends it."""
    return f"data: {json.dumps(payload)}\n\n".encode()


def told(source: Recording, *, version: str = "1.14.0") -> Act:
    """The events of a recording, from a server of another version."""
    return stream(*map(sent, source.events), headers=LATER | {"x-version": version})


def event(kind: str, **data: Any) -> bytes:
    """An event of the recorded run."""
    return sent({"event": kind, "workflow_run_id": RUN_ID, "task_id": "t", "data": data})


FILLED = event(
    "human_input_form_filled",
    node_id="ask",
    node_title="Ask a person",
    action_id="approve",
    action_text="Approve",
)
RESUMED = event("workflow_started", id=RUN_ID, reason="resumption")
DRAWING = event("node_started", id="d", node_id="draw", node_type="tool", title="Draw")
DRAWN = event("node_finished", id="d", node_id="draw", node_type="tool", title="Draw", status="succeeded")
FINISHED = event("workflow_finished", id=RUN_ID, status="succeeded", outputs={"note": "fine"})


def goes_on_once_answered(scripted: ScriptedServer, posted: Act | None = None) -> None:
    """Have a later server run until it asks, repeat what was on its second stream, and go on after the answer."""

    def second(exchange: Exchange) -> None:
        stream(*map(sent, ASKED.events), headers=LATER, then="cut")(exchange)
        exchange.is_last = True
        while not exchange.server.closing.is_set() and not scripted.count("POST", FORM):
            exchange.server.closing.wait(0.02)
        for part in (FILLED, RESUMED, DRAWING, DRAWN, FINISHED):
            exchange.send(b"%x\r\n%s\r\n" % (len(part), part))
        exchange.hold()

    scripted.on("POST", START, told(ASKED))
    scripted.on("GET", EVENTS, second)
    scripted.on("POST", FORM, posted or recording(f"{NEW}/63c-human-form-post-web.http").act())


def paused(run: Run, scripted: ScriptedServer) -> Paused:
    """The event that says what is asked."""
    scripted.until(lambda: any(isinstance(it, Paused) for it in run.events))
    return next(it for it in run.events if isinstance(it, Paused))


def test_a_person_answers_from_the_notebook(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """The form says what is asked and how to answer; after one answer the run goes on to its end."""
    goes_on_once_answered(scripted)
    run = client.submit(APP, {})
    asked = paused(run, scripted)
    form = asked.form
    assert form is not None
    assert (form.title, form.until) == ("Ask a person", 1795426452)
    assert form.content.startswith("Please check: review me")
    assert [(it.name, it.kind, it.default) for it in form.inputs] == [("note", "paragraph", "ok")]
    assert [(it.id, it.title) for it in form.actions] == [("approve", "Approve"), ("reject", "Reject")]
    assert "run.answer('approve' or 'reject', note=…)" in asked.message
    assert TOKEN not in repr(form)
    run.answer("approve", note="fine")

    assert run.result(5).data == {"note": "fine"}
    (post,) = scripted.requests("POST", FORM)
    assert post.json == {"inputs": {"note": "fine"}, "action": "approve", "user": "u1"}
    assert "Ask a person: answered with Approve" in run.logs
    with pytest.raises(InputError, match="asks nobody anything"):
        run.answer("approve")


def test_what_happened_is_told_once(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """A second stream that repeats everything adds only what is new."""
    goes_on_once_answered(scripted)
    run = client.submit(APP, {})
    paused(run, scripted)
    scripted.until(lambda: scripted.count("GET", EVENTS))
    run.answer("approve")
    run.result(5)

    assert [it.node for it in run.events if isinstance(it, StepStarted)] == ["start", "ask", "draw"]
    assert [it.node for it in run.events if isinstance(it, StepFinished)] == ["start", "draw"]
    assert len([it for it in run.events if isinstance(it, Started)]) == 2
    assert len([it for it in run.events if isinstance(it, Paused)]) == 2
    assert scripted.requests("POST", FORM)[0].json["inputs"] == {"note": "ok"}
    target = scripted.requests("GET", EVENTS)[0].target
    assert "include_state_snapshot=true" in target
    assert "continue_on_pause=true" in target


def test_what_was_missed_is_told_after_a_break(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """Steps that began and ended while the stream was gone are told from the repetition, in their order, once."""
    start = [sent(it) for it in ASKED.events[:3]]
    scripted.on("POST", START, stream(*start, headers=LATER, then="cut"))
    scripted.on(
        "GET",
        EVENTS,
        stream(*start, DRAWING, headers=LATER, then="cut"),
        stream(*start, DRAWING, headers=LATER, then="cut"),
        stream(*start, DRAWING, DRAWN, FINISHED, headers=LATER),
    )
    run = client.submit(APP, {})
    run.result(5)
    steps = [(type(it).__name__, it.node) for it in run.events if isinstance(it, (StepStarted, StepFinished))]

    assert steps == [
        ("StepStarted", "start"),
        ("StepFinished", "start"),
        ("StepStarted", "draw"),
        ("StepFinished", "draw"),
    ]
    assert scripted.count("GET", DETAIL) == 0
    assert not run.logs


def test_a_server_without_a_second_stream_says_what_is_not_known(
    client: nbkit.Client, scripted: ScriptedServer
) -> None:
    """Where only the run's record is left, a log line says that the steps in between are not known."""
    scripted.on("POST", START, stream(*map(sent, ASKED.events[:3]), headers=LATER, then="cut"))
    scripted.on("GET", DETAIL, AFTER.act())
    run = client.submit(APP, {})

    assert run.result(5)["note"] == "looks good"
    assert [it.level for it in run.events if isinstance(it, Log)] == ["WARNING"]
    assert "what the steps do from here on is not known" in run.logs[0]


def test_a_run_that_was_begun_before_can_be_answered(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """Who takes up a run that waits is told all that happened, and may answer."""
    goes_on_once_answered(scripted)
    scripted.on("GET", DETAIL, recording(f"{NEW}/62-human-detail-paused.http").act())
    run = client.attach(APP, RUN_ID)
    paused(run, scripted)
    run.answer("reject", note="no")
    run.result(5)

    assert scripted.requests("POST", FORM)[0].json["action"] == "reject"
    assert [it.node for it in run.events if isinstance(it, StepStarted)] == ["start", "ask", "draw"]


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("aprove", {}, "'aprove' is no answer to Ask a person"),
    ("approve", {"note": 5}, "note is a text"),
    ("approve", {"nite": "x"}, "does not ask for nite"),
    ("approve", {"nite": "x", "note": "y"}, "does not ask for nite"),
]


@pytest.mark.parametrize(("action", "inputs", "words"), WRONG)
def test_a_wrong_answer_is_not_sent(
    client: nbkit.Client, scripted: ScriptedServer, action: str, inputs: dict[str, Any], words: str
) -> None:
    """An answer that does not fit the form is refused here, and how to answer is said."""
    goes_on_once_answered(scripted)
    run = client.submit(APP, {})
    paused(run, scripted)
    with pytest.raises(InputError, match=words):
        run.answer(action, **inputs)

    assert scripted.count("POST", FORM) == 0
    run.answer("approve")
    run.result(5)


REFUSED: list[tuple[str, Act, type[Exception], str]] = [
    (
        "invalid",
        recording(f"{NEW}/63b-human-form-post-badaction-web.http").act(),
        ServiceError,
        "Invalid action",
    ),
    (
        "again",
        recording(f"{NEW}/63d-human-form-post-again-web.http").act(),
        ServiceError,
        "already, and the run",
    ),
    (
        "late",
        answer({"code": "human_input_form_expired", "message": "x"}, 412),
        ServiceError,
        "its time is over",
    ),
    ("gone", answer({"code": "not_found", "message": "Form not found"}, 404), ServiceError, "Form not found"),
    (
        "no route",
        recording(f"{NEW}/63c-human-form-post-v1.http").act(),
        ServiceError,
        "answer it in Dify's web",
    ),
    ("lost", reset, RequestLost, r"127\.0\.0\.1"),
]


@pytest.mark.parametrize(("act", "kind", "words"), [it[1:] for it in REFUSED], ids=[it[0] for it in REFUSED])
def test_an_answer_that_is_refused(
    client: nbkit.Client, scripted: ScriptedServer, act: Act, kind: type[Exception], words: str
) -> None:
    """An answer goes out once; why it was not taken is said, and the run itself goes on."""
    goes_on_once_answered(scripted, act)
    run = client.submit(APP, {})
    paused(run, scripted)
    with pytest.raises(kind, match=words):
        run.answer("approve")

    assert scripted.count("POST", FORM) == 1
    assert run.result(5).data == {"note": "fine"}


def test_an_old_server_takes_no_answers(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """Of a server that takes no answers from programs, the event says that it is answered in Dify."""
    scripted.on("POST", START, ASKED.act())
    scripted.on("GET", DETAIL, *[recording(f"{NEW}/62-human-detail-paused.http").act()] * 5, AFTER.act())
    scripted.on("POST", FORM, recording(f"{NEW}/63c-human-form-post-v1.http").act())
    run = client.submit(APP, {})

    assert "answered in Dify" in paused(run, scripted).message
    run.result(10)


def test_a_form_that_is_answered_by_mail(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """A form without a token cannot be answered from here, and that is said."""
    asked = json.loads(json.dumps(ASKED.events))
    asked[-2]["data"]["form_token"] = None
    asked[-1]["data"]["reasons"][0]["form_token"] = None
    scripted.on("POST", START, stream(*map(sent, asked), headers=LATER))
    scripted.on("GET", DETAIL, recording(f"{NEW}/62-human-detail-paused.http").act())
    run = client.submit(APP, {})
    assert "run.answer" not in paused(run, scripted).message
    with pytest.raises(InputError, match="by e-mail"):
        run.answer("approve")
    scripted.on("GET", DETAIL, AFTER.act())
    run.result(5)


async def test_answering_asynchronously(scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """In asynchronous code an answer is awaited."""
    monkeypatch.setenv("DIFY_BASE_URL", scripted.origin)
    monkeypatch.setenv("DIFY_API_KEY", "app-SECRETSECRETSECRETSECRET")
    goes_on_once_answered(scripted)
    async with nbkit.AsyncClient() as client:
        run = await client.submit(APP, {})
        async for it in run:
            if isinstance(it, Paused) and it.form:
                await run.answer_async("approve", note="yes")

        assert (await run).data == {"note": "fine"}


def test_a_run_that_asks_nothing(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """There is nothing to answer where nothing is asked."""
    scripted.on("POST", START, stream(event("workflow_started", id=RUN_ID), FINISHED, headers=LATER))
    run = client.submit(APP, {})
    run.result(5)
    with pytest.raises(InputError, match="asks nobody anything"):
        run.answer("approve")


STRANGE: list[dict[str, Any]] = [
    {},
    {"inputs": 5, "actions": [{"title": "x"}, 5], "form_token": 7, "expiration_time": True},
    {"inputs": [{"output_variable_name": 5}, None], "actions": "x", "resolved_default_values": []},
    {"form_content": "<script>", "node_title": ["x"], "actions": [{"id": "a" * 1000}]},
]


@pytest.mark.parametrize("data", STRANGE)
def test_strange_forms(client: nbkit.Client, scripted: ScriptedServer, data: dict[str, Any]) -> None:
    """A form that makes no sense pauses the run all the same, and breaks nothing."""
    parts = [event("workflow_started", id=RUN_ID), event("human_input_required", **data), FINISHED]
    scripted.on("POST", START, stream(*parts, headers=LATER))
    run = client.submit(APP, {})

    assert run.result(5).data == {"note": "fine"}
    assert len(paused(run, scripted).message) <= 500
