from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

import nbkit
from nbkit import history
from nbkit.errors import ConfigError, InputError, ServiceError
from nbkit.model.event import Log, Output, Queued
from nbkit.wire.sse import encode
from tests.dify_recordings import NEW, PNG, recording, serve_files
from tests.scripted_server import answer, stream

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.scripted_server import ScriptedServer

APP = "acme/imgen"
CAT: dict[str, Any] = {"prompt": "a cat", "seed": 7}


@pytest.fixture
def model(scripted: ScriptedServer) -> ScriptedServer:
    """A model that gives a picture, and takes files."""
    scripted.on("GET", "/a.png", answer(body=PNG, headers={"content-type": "image/png"}))
    scripted.queue(
        statuses=[{"status": "COMPLETED"}], output={"images": [{"url": f"{scripted.origin}/a.png"}]}
    )
    return scripted


def posts(server: ScriptedServer) -> int:
    """How many requests were sent that may bill."""
    return sum("/storage/" not in seen.path for seen in server.requests("POST"))


def test_an_equal_request_is_not_sent_again(client: nbkit.Client, model: ScriptedServer) -> None:
    """With reuse the same result is there at once: its files, its id, where it is from, and nothing is billed."""
    first = client.subscribe(APP, CAT)
    run = client.submit(APP, {"seed": 7.0, "prompt": "a cat"}, reuse="always")
    again = run.result()

    assert posts(model) == 1
    assert (again.data, again.request_id, again.image.bytes) == (first.data, first.request_id, PNG)
    assert (run.status, run.is_from_history, run.id) == ("succeeded", True, first.request_id)
    assert again.from_history is not None
    assert again.from_history.request_id == first.request_id
    assert again.cost == 0.0
    assert isinstance(run.events[0], Log)
    assert [type(event) for event in run.events[1:]] == [type(event) for event in history.search()[0].events]
    assert "from history, just now, not billed again" in again._repr_mimebundle_()[0]["text/plain"]
    assert "from history, just now, not billed again" in again._repr_mimebundle_()[0]["text/html"]


def test_nothing_is_counted_twice(client: nbkit.Client, model: ScriptedServer) -> None:
    """A result that was taken from history is no second run there."""
    client.subscribe(APP, CAT)
    client.subscribe(APP, CAT, reuse="always")

    assert len(history.search()) == 1
    assert posts(model) == 1


@pytest.mark.parametrize("reuse", [None, "never"])
def test_without_the_wish_every_request_is_sent(
    client: nbkit.Client, model: ScriptedServer, reuse: str | None
) -> None:
    """Asking again gives another picture, as it always did."""
    client.subscribe(APP, {"prompt": "a cat"})
    result = client.subscribe(APP, {"prompt": "a cat"}, reuse=reuse)

    assert posts(model) == 2
    assert result.from_history is None


@pytest.mark.parametrize(
    ("endpoint", "given"), [(APP, {**CAT, "seed": 8}), (APP, {"prompt": "a cat"}), (f"{APP}/fast", CAT)]
)
def test_another_request_is_sent(
    client: nbkit.Client, model: ScriptedServer, endpoint: str, given: dict[str, Any]
) -> None:
    """Another seed, no seed and another endpoint are other requests."""
    client.subscribe(APP, CAT)
    model.queue(endpoint, statuses=[{"status": "COMPLETED"}], output={"n": 1})
    client.subscribe(endpoint, given, reuse="always")

    assert posts(model) == 2


def test_another_way_to_call_is_another_request(client: nbkit.Client, model: ScriptedServer) -> None:
    """A stream gives other things than the queue does."""
    model.on("POST", "/run/acme/imgen/stream", stream(encode({"n": 1}), encode({"n": 2})))
    client.subscribe(APP, CAT)
    streamed = client.stream(APP, CAT, reuse="always").result()
    again = client.stream(APP, CAT, reuse="always")

    assert again.result().data == streamed.data == {"n": 2}
    assert [event.data for event in again if isinstance(event, Output)] == [{"n": 1}, {"n": 2}]
    assert posts(model) == 2


def test_a_file_is_known_by_what_is_in_it_and_not_uploaded(
    client: nbkit.Client, model: ScriptedServer, tmp_path: Path
) -> None:
    """The same picture from another place is the same input; nothing of it is sent."""
    place = {"upload_url": f"{model.origin}/put", "file_url": f"{model.origin}/f/1"}
    model.on("POST", "/rest/storage/upload/initiate", answer(place))
    model.on("PUT", "/put", answer({}))
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "b.png").write_bytes(PNG)
    client.subscribe(APP, {"image_url": tmp_path / "a.png"})
    sent = len(model.received)
    again = nbkit.Client(key="SECRET-xyz", base_url=model.origin)
    with again:
        result = again.subscribe(APP, {"image_url": tmp_path / "b.png"}, reuse="always")

        assert result.from_history is not None
        assert len(model.received) == sent
        (tmp_path / "b.png").write_bytes(PNG + b"!")
        assert again.subscribe(APP, {"image_url": tmp_path / "b.png"}, reuse="always").from_history is None


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_bytes(b"other")])
def test_a_result_whose_file_is_gone_or_changed_is_asked_for_again(
    client: nbkit.Client, model: ScriptedServer, spoil: Callable[[Path], Any]
) -> None:
    """What is taken from history is whole."""
    first = client.subscribe(APP, CAT)
    assert first.image.path
    spoil(first.image.path)
    with nbkit.Client(key="SECRET-xyz", base_url=model.origin) as other:
        again = other.subscribe(APP, CAT, reuse="always")

    assert again.from_history is None
    assert posts(model) == 2
    assert again.image.bytes == PNG


def test_a_failure_is_not_reused(client: nbkit.Client, scripted: ScriptedServer) -> None:
    """What failed may go well the next time."""
    scripted.on("POST", "/run/acme/imgen", answer({"detail": "out of memory"}, 500), answer({"n": 1}))
    with pytest.raises(nbkit.NbkitError):
        client.run(APP, CAT)

    assert client.run(APP, CAT, reuse="always").data == {"n": 1}


def test_two_equal_requests_at_once_do_not_wait_for_each_other(
    client: nbkit.Client, model: ScriptedServer
) -> None:
    """Neither has a result yet when the other asks: both are sent, and both end."""
    results: list[nbkit.Result] = []
    threads = [
        threading.Thread(target=lambda: results.append(client.subscribe(APP, CAT, reuse="always")))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(results) == 2
    assert 1 <= posts(model) == len(history.search()) <= 2


def test_a_dify_run_is_reused_whichever_way_it_was_called(
    dify_client: nbkit.Client, scripted: ScriptedServer
) -> None:
    """A workflow of Dify has one way to run; another published version of it is another request."""
    served = recording(f"{NEW}/02-image-streaming-raw.raw")
    serve_files(scripted, served)
    scripted.on("GET", "/v1/parameters", answer({"user_input_form": []}))
    scripted.on("POST", "/v1/workflows/run", served.act())
    first = dify_client.subscribe("dify/default", {"prompt": "a cat"})
    again = dify_client.stream("dify/default", {"prompt": "a cat"}, reuse="always").result()

    assert (again["prompt"], again.request_id) == (first["prompt"], first.request_id)
    assert [media.bytes for media in again.media] == [media.bytes for media in first.media]
    assert posts(scripted) == 1
    with pytest.raises(ServiceError):  # it was sent, and this server has no such version
        dify_client.subscribe("dify/default", {"prompt": "a cat"}, workflow_id="v2", reuse="always")


def test_the_settings_say_what_is_reused(
    client: nbkit.Client, scripted: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A project's settings count for all endpoints or for one; what the call says counts before them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("nbkit.client.reuse._LOOK_AGAIN", 1e-9)
    scripted.queue()
    settings = tmp_path / "pyproject.toml"
    settings.write_text('[tool.nbkit.reuse]\n"acme/imgen" = "always"\n')
    client.subscribe(APP, CAT)
    assert client.subscribe(APP, CAT).from_history is not None
    assert client.subscribe(APP, CAT, reuse="never").from_history is None

    settings.write_text('[tool.nbkit]\nreuse = "sometimes"\n')
    with pytest.raises(ConfigError, match=r"pyproject\.toml: reuse is never, ask, always"):
        client.subscribe(APP, CAT)
    with pytest.raises(InputError, match="reuse is never, ask, always"):
        client.subscribe(APP, CAT, reuse="yes")


class _Terminal:
    """A terminal in which somebody answers."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)

    def isatty(self) -> bool:
        """Say that somebody is there."""
        return True

    def readline(self) -> str:
        """Give the next answer."""
        return self.answers.pop(0)


def test_ask_asks(
    client: nbkit.Client,
    model: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In a terminal the answer decides; no is no, and then the request is sent."""
    client.subscribe(APP, CAT)
    for answered, sent in (("\n", 1), ("y\n", 1), ("n\n", 2)):
        monkeypatch.setattr(sys, "stdin", _Terminal(answered))
        client.subscribe(APP, CAT, reuse="ask")
        assert posts(model) == sent
    assert "did just this" in capsys.readouterr().out


def test_where_nobody_can_be_asked_the_request_is_sent(client: nbkit.Client, model: ScriptedServer) -> None:
    """A program without a terminal says so, and does what it would do without reuse."""
    client.subscribe(APP, CAT)
    run = client.submit(APP, CAT, reuse="ask")
    run.result()

    assert posts(model) == 2
    assert any("cannot ask" in line for line in run.logs)
    assert any(isinstance(event, Queued | Output) for event in run.events)
