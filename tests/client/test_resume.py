from __future__ import annotations

import hashlib
import json
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest

import nbkit
from nbkit import history
from nbkit.client import lost
from nbkit.client.resume import resume, resume_run
from nbkit.errors import InputError, MediaError, RunUnknown
from nbkit.history.database import changing, history_path
from nbkit.history.record import EMBEDDED
from nbkit.wire.fal import requests
from tests.dify_recordings import NEW, PNG, recording, serve_files
from tests.orphans import bury, leave
from tests.scripted_server import answer, never

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.scripted_server import ScriptedServer

    Orphan = Callable[..., history.RunRecord]

APP, SUBMIT = "acme/imgen", "/queue/acme/imgen"
PLACE = f"{SUBMIT}/requests/r1"
LISTED = "/api/v1/requests"
DONE: dict[str, Any] = {"status": "COMPLETED", "logs": [], "metrics": {}}


@pytest.fixture
def orphan(scripted: ScriptedServer) -> Orphan:
    """A run of the scripted service that a killed kernel left."""

    def left(
        request_id: str = "r1", endpoint: str = APP, *, place: str = "", **facts: Any
    ) -> history.RunRecord:
        return leave(place or scripted.origin, request_id, endpoint, **facts)

    return left


def only() -> history.RunRecord:
    """The only run there is."""
    (found,) = history.search()
    return found


def test_a_run_is_completed_in_its_own_row(
    client: nbkit.Client, scripted: ScriptedServer, orphan: Orphan
) -> None:
    """Result and file are in the row that the killed kernel wrote, with its input; nothing is sent again."""
    scripted.on("GET", "/a.png", answer(body=PNG, headers={"content-type": "image/png"}))
    scripted.queue(output={"images": [{"url": f"{scripted.origin}/a.png"}], "seed": 3})
    left = orphan()
    told = resume(client=client)
    run = only()

    assert left.is_orphan
    assert (run.id, run.state, run.input, run.way) == (left.id, "succeeded", {"prompt": "a cat"}, "queue")
    assert run.image.sha256 == hashlib.sha256(PNG).hexdigest()
    assert [result.input for result in told.results] == [{"prompt": "a cat"}]
    assert (scripted.count("POST"), run.seconds) == (0, None)
    assert "1 came back" in told.title
    assert "<img" in told._repr_mimebundle_()["text/html"]
    assert list(resume(client=client)) == []


def test_what_was_told_before_is_not_told_twice(
    client: nbkit.Client, scripted: ScriptedServer, orphan: Orphan
) -> None:
    """The row has each event once, though the service tells a run from its beginning to whoever asks again."""
    waiting = {"status": "IN_QUEUE", "queue_position": 1}
    scripted.queue(statuses=[waiting, {"status": "IN_PROGRESS"}, DONE], output={"a": 1})
    orphan()
    resume(client=client)

    assert [type(event).__name__ for event in only().events] == ["Queued", "Started", "Output"]


def test_the_addresses_that_the_service_gave_are_asked(
    client: nbkit.Client, scripted: ScriptedServer, orphan: Orphan
) -> None:
    """A service may have its requests elsewhere than its documentation says."""
    scripted.on("GET", "/elsewhere/status", answer(DONE))
    scripted.on("GET", "/elsewhere", answer({"a": 1}))
    base = f"{scripted.origin}/elsewhere"
    orphan(status_url=f"{base}/status", response_url=base, cancel_url=f"{base}/cancel")

    assert resume(client=client).results[0].data == {"a": 1}


def test_a_server_that_moved_is_asked_where_it_is_now(
    client: nbkit.Client, scripted: ScriptedServer, orphan: Orphan
) -> None:
    """A server of this machine has another port after a restart; its runs are the same."""
    scripted.queue(output={"a": 1})
    old = "http://127.0.0.1:9"
    url = f"{old}{PLACE}"
    orphan(place=old, status_url=f"{url}/status", response_url=url, cancel_url=f"{url}/cancel")

    assert resume(client=client).results[0].data == {"a": 1}


def test_a_key_does_not_follow_an_address_out_of_the_history(
    client: nbkit.Client, scripted: ScriptedServer, orphan: Orphan
) -> None:
    """A run of another service is not asked after with this one's key, nor at this one."""
    left = orphan(place="https://queue.example.com", status_url="https://queue.example.com/status")

    with pytest.raises(RunUnknown, match=r"it is at https://queue\.example\.com"):
        resume_run(client, left).result(10)
    assert (scripted.received, only().state) == ([], "unknown")


def test_the_server_of_a_kernel_took_its_runs_along(orphan: Orphan) -> None:
    """That is said plainly, and the runs are over."""
    orphan(place=EMBEDDED)
    (told,) = resume()

    assert "ended with the server" in told.known
    assert (only().state, list(resume())) == ("failed", [])


def test_two_kernels_do_not_resume_the_same_run(
    client: nbkit.Client, scripted: ScriptedServer, orphan: Orphan
) -> None:
    """Of many who try at once one follows the run, and the others are told so."""
    scripted.queue(output={"a": 1})
    left = orphan()
    claimed: list[bool] = []
    threads = [threading.Thread(target=lambda: claimed.append(left.claim())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert claimed.count(True) == 1
    assert only().is_under_way
    with pytest.raises(InputError, match="another kernel follows it"):
        resume_run(client, left)
    assert scripted.received == []


@pytest.mark.parametrize("status", [401, 404, 500])
def test_a_service_that_does_not_tell_ends_nothing(
    status: int, client: nbkit.Client, scripted: ScriptedServer, orphan: Orphan
) -> None:
    """A wrong key or a broken service says nothing of the run: it can be resumed another time."""
    for path in (PLACE, f"{PLACE}/status", f"{PLACE}/status/stream"):
        scripted.on("GET", path, answer({"detail": "no"}, status))
    orphan()
    told = resume(client=client)

    assert (len(told.unknown), only().state, only().is_orphan) == (1, "unknown", True)
    scripted.queue(output={"a": 1})
    scripted.on("GET", f"{PLACE}/status/stream", answer({}, 404))
    assert resume(client=client).results[0].data == {"a": 1}
    assert (only().state, only().error) == ("succeeded", "")


def test_a_failed_run_has_failed(client: nbkit.Client, scripted: ScriptedServer, orphan: Orphan) -> None:
    """What the service says of the run itself is its end."""
    scripted.queue(statuses=[{**DONE, "error": "out of memory"}])
    headers = {"x-fal-request-id": "r1"}
    scripted.on("GET", PLACE, answer({"detail": "out of memory"}, 500, headers=headers))
    orphan()
    told = resume(client=client)

    assert (only().state, told.title) == ("failed", "runs: 1 ended without a result")
    assert "out of memory" in told[0].known


def test_runs_that_go_on_are_told_and_go_on(
    client: nbkit.Client, scripted: ScriptedServer, orphan: Orphan
) -> None:
    """Waiting has an end where one is given; the run does not, not even when the client closes."""
    scripted.queue(statuses=[{"status": "IN_PROGRESS"}])
    orphan()
    told = resume(client=client, timeout=0.2)

    assert ([run.id for run in told.going_on], told.title) == (["r1"], "runs: 1 not over yet")
    client.close()
    assert (scripted.count("PUT"), bury(only()).is_orphan) == (0, True)


def test_a_request_that_arrived_is_found_by_its_name(
    client: nbkit.Client, scripted: ScriptedServer, orphan: Orphan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel ended before the answer came: an nbkit server knows the request, which is followed, not sent again."""
    monkeypatch.setattr(lost, "_ON_ITS_WAY", 0.0)
    scripted.queue(output={"a": 1})
    left = orphan("")
    scripted.on("GET", LISTED, answer({"requests": [{"request_id": "r1"}], "has_more": False}))

    assert resume(client=client).results[0].data == {"a": 1}
    assert (only().id, only().request_id, scripted.count("POST")) == (left.id, "r1", 0)
    assert scripted.requests("GET", LISTED)[0].target == f"{LISTED}?name={left.id}"


def test_a_request_that_never_arrived_is_over(
    client: nbkit.Client, scripted: ScriptedServer, orphan: Orphan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An nbkit server that does not know it has never had it, so it can be sent without being computed twice."""
    monkeypatch.setattr(lost, "_ON_ITS_WAY", 0.0)
    orphan("")
    scripted.on("GET", LISTED, answer({"requests": [], "has_more": False}))
    (told,) = resume(client=client)

    assert (told.state, only().is_orphan) == ("failed", False)
    assert "nothing was billed" in told.known


@pytest.mark.parametrize("way", ["queue", "direct"])
def test_a_service_without_a_list_leaves_it_unknown(
    way: str, client: nbkit.Client, scripted: ScriptedServer, orphan: Orphan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody can tell stays open, with advice; it is not sent again."""
    monkeypatch.setattr(lost, "_ON_ITS_WAY", 0.0)
    orphan("", way=way)
    told = resume(client=client)

    assert (told[0].state, scripted.count("POST")) == ("unknown", 0)
    assert told[0].known
    assert "--resend" in told.title


def test_it_is_sent_again_when_its_user_says_so(
    client: nbkit.Client, scripted: ScriptedServer, orphan: Orphan
) -> None:
    """Once, with the input of the history, as a run of its own; the old one is over and says what came after it."""
    scripted.queue(output={"a": 1}, request_id="r2")
    left = orphan("", given={"prompt": "a cat", "seed": 3})
    told = resume(client=client, resend=left.id[:8])
    new, old = history.search()

    assert told.results[0].data == {"a": 1}
    assert [request.json for request in scripted.requests("POST")] == [{"prompt": "a cat", "seed": 3}]
    assert (new.state, old.state, old.is_orphan) == ("succeeded", "failed", False)
    assert "sent again as r2" in old.error
    with pytest.raises(InputError, match="not one to resume"):
        resume(client=client, resend=left.id)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"prompt": "long " * 20_000}, "not kept whole"),
        ({"prompt": "a cat", "note": "Authorization: Bearer abcdefghijklmnop0123456789"}, "not kept whole"),
        ({"image_url": f"data:image/png;base64,{'QUJD' * 2000}"}, "only their hash"),
    ],
)
def test_half_an_input_is_not_sent(
    given: dict[str, Any], said: str, client: nbkit.Client, scripted: ScriptedServer, orphan: Orphan
) -> None:
    """An input of which something was not kept is refused in words, and its run stays as it is."""
    left = orphan("", given=given)
    with pytest.raises(InputError, match=said):
        resume(client=client, resend=left.id)

    assert (scripted.received, only().is_orphan) == ([], True)


def test_a_dify_run_is_followed_with_its_task(dify_client: nbkit.Client, scripted: ScriptedServer) -> None:
    """Its record is asked for by its id; its outputs and files come back, without a second POST."""
    served = recording(f"{NEW}/02-image-streaming-raw.raw")
    serve_files(scripted, served)
    scripted.on("GET", "/v1/parameters", answer({"user_input_form": []}))
    scripted.on("POST", "/v1/workflows/run", served.act())
    first = dify_client.subscribe("dify/default", {"prompt": "a cat"})
    detail = {"id": first.request_id, "status": "succeeded", "outputs": first.data, "error": None}
    scripted.on("GET", f"/v1/workflows/run/{first.request_id}", answer(detail))
    (run,) = history.search()
    with changing(history_path()) as connection:
        connection.execute("UPDATE runs SET state = 'running', result = NULL")
        connection.execute("DELETE FROM files WHERE role = 'output'")
    bury(run)
    told = resume(client=dify_client)

    assert told.results[0].data == first.data
    assert (only().id, only().state, len(only().images)) == (run.id, "succeeded", len(run.images))
    assert scripted.count("POST") == 1


@pytest.mark.parametrize(("inputs", "taken"), [({"prompt": "a cat"}, True), ({"prompt": "a dog"}, False)])
def test_a_dify_run_is_found_in_the_logs_by_its_inputs(
    inputs: dict[str, str],
    taken: bool,  # noqa: FBT001
    dify_client: nbkit.Client,
    scripted: ScriptedServer,
    orphan: Orphan,
) -> None:
    """The only one of its user and time with the same inputs is it; another one is shown, and never taken."""
    entry = {"workflow_run": {"id": "w1", "status": "succeeded", "created_at": 1}, "created_at": 1}
    scripted.on("GET", "/v1/workflows/logs", answer({"data": [entry], "total": 1, "page": 1}))
    detail = {"id": "w1", "status": "succeeded", "outputs": {"text": "x"}, "error": None}
    told_inputs = {**inputs, "sys.user_id": "u1"}
    scripted.on("GET", "/v1/workflows/run/w1", answer({**detail, "inputs": json.dumps(told_inputs)}))
    orphan("", "dify/default", way="stream")
    (told,) = resume(client=dify_client)

    assert told.state == ("succeeded" if taken else "unknown")
    assert told.candidates == (() if taken else ("w1",))
    assert "created_by_end_user_session_id=u1" in scripted.requests("GET", "/v1/workflows/logs")[0].target


def test_only_runs_that_nobody_follows_are_resumed(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """A run that a living kernel follows is left alone, and asking for it by name says so."""
    scripted.on("POST", SUBMIT, answer({"request_id": "r1"}))
    scripted.on("GET", f"{PLACE}/status/stream", never)
    client.submit(APP, {"prompt": "a cat"})

    assert list(resume(client=client)) == []
    with pytest.raises(InputError, match="under way"):
        resume("r1", client=client)


@pytest.mark.parametrize(
    "spoil", [lambda file: file.write_bytes(file.read_bytes()[:9]), lambda file: file.unlink()]
)
def test_a_file_that_the_disk_lost_is_fetched_again(
    spoil: Callable[[Path], object], client: nbkit.Client, scripted: ScriptedServer
) -> None:
    """A copy that was cut short is not taken for the picture; the run's id brings it back from the service."""
    scripted.on("GET", "/a.png", answer(body=PNG, headers={"content-type": "image/png"}))
    scripted.queue(output={"images": [{"url": f"{scripted.origin}/a.png"}]})
    client.subscribe(APP, {"prompt": "a cat"})
    picture = only().image
    assert picture.path
    spoil(picture.path)
    with pytest.raises(MediaError, match=r"damaged|gone"):
        only().image.pil()
    (told,) = resume(only().id, client=client)

    assert told.known == "its files are here again"
    assert only().image.bytes == PNG
    assert scripted.count("POST") == 1


def test_bytes_that_changed_are_not_given(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """A copy of the right length with other bytes is damaged, too; what the service no longer has is told."""
    scripted.on("GET", "/a.png", answer(body=PNG, headers={"content-type": "image/png"}))
    scripted.queue(output={"images": [{"url": f"{scripted.origin}/a.png"}]})
    client.subscribe(APP, {"prompt": "a cat"})
    picture = only().image
    assert picture.path
    picture.path.write_bytes(bytes(len(PNG)))
    with pytest.raises(MediaError, match="damaged"):
        _ = picture.bytes
    scripted.on("GET", "/a.png", answer({"detail": "gone"}, 404))
    with nbkit.Client(key="SECRET-xyz", base_url=scripted.origin) as later:
        (told,) = resume(only().id, client=later)

    assert "no longer" in told.known


@pytest.fixture
def as_fal(monkeypatch: pytest.MonkeyPatch, scripted: ScriptedServer) -> str:
    """Let the scripted server be fal, and its list of requests the one of fal's platform API. Gives its address."""
    for module in (lost, requests):
        monkeypatch.setattr(module, "is_fal", lambda _hosts: True)
    monkeypatch.setattr(requests, "PLATFORM", f"{scripted.origin}/v1")
    return "/v1/models/requests/by-endpoint"


def listed(request_id: str, given: Any = None, **facts: Any) -> dict[str, Any]:
    """A request as fal lists it."""
    about = {
        "request_id": request_id,
        "endpoint_id": APP,
        "sent_at": "2026-11-22T03:00:00Z",
        "status_code": 200,
    }
    return {**about, "json_input": {"prompt": "a cat"} if given is None else given, **facts}


def test_a_request_is_found_at_fal_by_its_input(
    as_fal: str, client: nbkit.Client, scripted: ScriptedServer, orphan: Orphan
) -> None:
    """The only one of its endpoint and time with the same input is followed by the queue; others are left alone."""
    items = [listed("r0", {"prompt": "a dog"}), listed("r1"), listed("r9")]
    orphan("r9", given={"prompt": "a cat"})  # known already: it is another run
    bury(history.get("r9")).claim()
    scripted.queue(output={"a": 1})
    scripted.on("GET", as_fal, answer({"items": items, "has_more": False}))
    orphan("")

    assert resume(client=client).results[0].request_id == "r1"
    asked = scripted.requests("GET", as_fal)[0]
    query = parse_qs(asked.target.partition("?")[2])
    assert (query["endpoint_id"], query["expand"]) == ([APP], ["payloads"])
    assert asked.headers["authorization"] == "Key SECRET-xyz"


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ([], "may be late"),
        ([listed("r1"), listed("r2")], "r1, r2"),
        ([listed("r1", {"prompt": "a dog"})], "none known to have its input"),
        ([listed("r1", "what?"), {"request_id": 7}, "odd"], "none known to have its input"),
    ],
)
def test_what_is_not_certain_at_fal_is_shown_and_not_taken(  # noqa: PLR0917 - fixtures and a case
    items: list[Any], said: str, as_fal: str, client: nbkit.Client, scripted: ScriptedServer, orphan: Orphan
) -> None:
    """Two with the same input, or none, decide nothing; it is not sent again."""
    scripted.on("GET", as_fal, answer({"items": items, "has_more": False}))
    orphan("")
    (told,) = resume(client=client)

    assert said in told.known
    assert (told.state, only().is_orphan, scripted.count("POST")) == ("unknown", True, 0)


@pytest.mark.parametrize("body", [{"items": [], "has_more": True}, ["odd"], {}, "{"])
def test_half_a_list_proves_nothing(
    body: Any, as_fal: str, client: nbkit.Client, scripted: ScriptedServer, orphan: Orphan
) -> None:
    """A list with more behind it, or one that makes no sense, is said to be so."""
    scripted.on("GET", as_fal, answer(body) if body != "{" else answer(body=b"{"))
    orphan("")

    assert "cannot be read, or is too long" in resume(client=client)[0].known


def test_the_output_of_a_direct_call_is_on_record_at_fal(
    as_fal: str, client: nbkit.Client, scripted: ScriptedServer, orphan: Orphan
) -> None:
    """What a killed kernel waited for comes back from the list of requests, with its files; a failure does, too."""
    scripted.on("GET", "/a.png", answer(body=PNG, headers={"content-type": "image/png"}))
    output = {"images": [{"url": f"{scripted.origin}/a.png"}]}
    scripted.on("GET", as_fal, answer({"items": [listed("d1", json_output=output)], "has_more": False}))
    left = orphan("", way="direct")
    told = resume(client=client)

    assert told.results[0].data == output
    assert (only().id, only().request_id, only().image.bytes) == (left.id, "d1", PNG)
    failed = {"items": [listed("d2", {"prompt": "x"}, status_code=422)], "has_more": False}
    scripted.on("GET", as_fal, answer(failed))
    orphan("", way="direct", given={"prompt": "x"})
    assert "HTTP 422" in resume(client=client)[0].known


def test_no_address_of_the_history_is_called_by_itself(orphan: Orphan) -> None:
    """A run of another machine may name any address: only fal's, this machine's and a client's are asked."""
    orphan(place="http://192.0.2.1:8188")

    assert "give the client that leads there" in resume()[0].known
    assert only().is_orphan


def test_an_id_that_could_lead_elsewhere_is_not_followed(
    client: nbkit.Client, scripted: ScriptedServer, orphan: Orphan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a service calls a request stands in addresses; one that is no id is refused, and the run stays open."""
    monkeypatch.setattr(lost, "_ON_ITS_WAY", 0.0)
    scripted.on("GET", LISTED, answer({"requests": [{"request_id": "../../admin"}], "has_more": False}))
    orphan("")

    assert "is not a request id" in resume(client=client)[0].known
    assert (only().is_orphan, len(scripted.received)) == (True, 1)
