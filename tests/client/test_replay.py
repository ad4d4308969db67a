from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import nbclient
import nbformat
import pytest

import nbkit
from nbkit import history
from nbkit.errors import ConfigError, InputError, NotInHistory, RunFailed, ServiceError
from nbkit.model.event import Output
from nbkit.wire.sse import encode
from tests.dify_recordings import NEW, PNG, recording, serve_files
from tests.scripted_server import answer, stream

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.scripted_server import ScriptedServer

APP = "acme/imgen"
GUARD = """
import os, socket, subprocess, traceback

def refuse(*_about, **_more):
    with open(os.environ["REFUSED"], "a") as told:
        traceback.print_stack(file=told)
    raise OSError("there is no network here")

connect = socket.socket.connect
def near(self, address):
    return connect(self, address) if self.family == socket.AF_UNIX else refuse()

if "NBKIT_MODE" in os.environ:
    socket.socket.connect = socket.socket.connect_ex = near
    socket.getaddrinfo = socket.create_connection = refuse
    begin = subprocess.Popen.__init__
    def process(self, words, *about, **more):
        return refuse() if "nbkit" in str(words) else begin(self, words, *about, **more)
    subprocess.Popen.__init__ = process
"""
CELLS = [
    "%load_ext nbkit\nimport nbkit\nfrom PIL import Image\nclient = nbkit.Client()",
    "%%generate local/collage --seed 7 --as scene\na red cat by the sea",
    "%%generate workflows/fal-ai/sdxl-sticker --stream --seed 3\na penguin with a red scarf",
    "%generate local/upscale -p image_url={{scene}} -p upscale_factor=2",
    "client.subscribe('local/upscale', {'image_url': Image.new('RGB', (8, 8), 'red'), 'upscale_factor': 2})",
    "[client.run('local/collage', {'prompt': 'a dog'}).image.sha256 for _ in range(3)]",
    """try:
    nbkit.Client(validate=False).run('local/collage', {'prompt': 'a cat', 'num_images': 99})
except nbkit.NbkitError as error:
    print(type(error).__name__, error)""",
    "client.attach('local/collage', scene.request_id).result().image.sha256",
    "client.status('local/collage', scene.request_id).state",
]


def execute(cells: list[str], folder: Path) -> list[list[dict[str, Any]]]:
    """Execute cells in a real kernel; what each of them showed."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    folder.mkdir(parents=True, exist_ok=True)
    resources = {"metadata": {"path": str(folder)}}
    nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3", resources=resources).execute()
    nbformat.write(notebook, folder / "story.ipynb")
    return [json.loads(json.dumps(cell["outputs"])) for cell in notebook.cells]


def shown(outputs: list[list[dict[str, Any]]], home: Path) -> str:
    """What a reader sees, without the folder of files, and times without their last digit, which is rounded."""
    data = [[(out.get("data"), out.get("text"), out.get("metadata")) for out in cell] for cell in outputs]
    text = json.dumps(data).replace(str(home), "HOME")
    return re.sub(r"\b\d+\.\d+(%| s\b)|(?<=seconds\": )[\d.]+", "TIME", text)


def test_a_packed_notebook_is_replayed_elsewhere_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Packed here, unpacked on an empty machine, executed with the network refused: the same outputs and pictures."""
    (tmp_path / "guard").mkdir()
    (tmp_path / "guard" / "sitecustomize.py").write_text(GUARD)
    paths = [str(tmp_path / "guard"), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    monkeypatch.setenv("REFUSED", str(tmp_path / "refused"))
    monkeypatch.setenv("NBKIT_HOME", str(tmp_path / "one"))
    monkeypatch.setenv("NBKIT_PROGRESS", "off")
    first = execute(CELLS, tmp_path / "here")
    bundle = history.pack(tmp_path / "here" / "story.ipynb")
    assert (bundle.missing, bundle.lost) == ((), ())

    monkeypatch.setenv("NBKIT_HOME", str(tmp_path / "two"))
    unpacked = history.unpack(bundle.path, tmp_path / "there")
    assert unpacked.runs >= 7
    monkeypatch.setenv("NBKIT_MODE", "replay")
    again = execute(CELLS, tmp_path / "there")

    for number, (cell, replayed) in enumerate(zip(first, again, strict=True)):
        assert shown([replayed], tmp_path / "two") == shown([cell], tmp_path / "one"), CELLS[number]
    refused = tmp_path / "refused"
    assert not refused.exists(), refused.read_text()


@pytest.fixture
def replay(monkeypatch: pytest.MonkeyPatch, scripted: ScriptedServer) -> Any:
    """A client that is given nothing but the history, from when it is called."""

    def go(**given: Any) -> nbkit.Client:
        monkeypatch.setenv("NBKIT_MODE", "replay")
        monkeypatch.setattr("nbkit.client.replay._told", {})
        scripted.close()
        return nbkit.Client(**given)

    return go


def test_equal_requests_give_their_results_in_order_and_then_the_last(
    client: nbkit.Client, scripted: ScriptedServer, replay: Any
) -> None:
    """Three drawings of one prompt are the same three drawings again; a fourth is the third."""
    scripted.on("POST", "/run/acme/imgen", *(answer({"n": number}) for number in (1, 2, 3)))
    for _ in range(3):
        client.run(APP, {"prompt": "a cat"})
    again = replay()

    assert [again.run(APP, {"prompt": "a cat"})["n"] for _ in range(4)] == [1, 2, 3, 3]


def test_what_came_on_the_way_is_told_again_with_its_pictures(
    client: nbkit.Client, scripted: ScriptedServer, replay: Any
) -> None:
    """A stream gives its events as they were, also a picture that stood in the event itself."""
    inline = nbkit.data_uri(PNG + bytes(4000), content_type="image/png")
    parts = encode({"images": [{"url": inline}]}), encode({"images": [{"url": f"{scripted.origin}/a.png"}]})
    scripted.on("POST", "/run/acme/imgen/stream", stream(*parts))
    scripted.on("GET", "/a.png", answer(body=PNG, headers={"content-type": "image/png"}))
    first = client.stream(APP, {"prompt": "a cat"})
    first.result()
    again = replay().stream(APP, {"prompt": "a cat"})
    told = [event for event in again if isinstance(event, Output)]

    assert again.events == first.events
    assert [event.at for event in again.events] == pytest.approx(
        [event.at for event in first.events], abs=1e-3
    )
    assert [event.media[0].bytes for event in told] == [PNG + bytes(4000), PNG]
    assert again.result().from_history.is_replay
    assert again.seconds == pytest.approx(first.seconds, abs=0.05)


def test_failures_are_replayed_as_failures(
    client: nbkit.Client, scripted: ScriptedServer, replay: Any
) -> None:
    """The error is the one of then, with what the service said."""
    scripted.on("POST", "/run/acme/imgen", answer({"detail": "no such style"}, 422))
    scripted.queue(statuses=[{"status": "COMPLETED", "error": "boom", "error_type": "runner_error"}])
    scripted.on("GET", "/queue/acme/imgen/requests/r1", answer({"detail": "boom"}, 500))
    with pytest.raises(ServiceError) as refused:
        client.run(APP, {"prompt": "a cat"})
    with pytest.raises(RunFailed) as failed:
        client.subscribe(APP, {"prompt": "a cat"})
    again = replay()

    with pytest.raises(type(refused.value), match=re.escape(str(refused.value))) as same:
        again.run(APP, {"prompt": "a cat"})
    assert same.value.status == refused.value.status
    with pytest.raises(RunFailed, match=re.escape(str(failed.value))) as same_failure:
        again.subscribe(APP, {"prompt": "a cat"})
    assert same_failure.value.status == failed.value.status
    assert same_failure.value.request_id == "r1"


def test_a_call_that_is_not_there_is_told_with_the_nearest(
    client: nbkit.Client, scripted: ScriptedServer, replay: Any
) -> None:
    """The error names the endpoint, and what is not the same in the recorded input."""
    scripted.on("POST", "/run/acme/imgen", answer({"n": 1}))
    client.run(APP, {"prompt": "a cat", "seed": 7, "image_url": f"{scripted.origin}/a.png"})
    again = replay()

    with pytest.raises(NotInHistory, match="no call of acme/imgen with this input") as caught:
        again.run(APP, {"prompt": "a cat", "seed": 8, "image_url": f"{scripted.origin}/a.png"})
    assert "seed is 8 here and 7 there" in caught.value.hint
    assert "prompt" not in caught.value.hint
    with pytest.raises(NotInHistory) as caught:
        again.stream(APP, {"prompt": "a cat", "seed": 7, "image_url": f"{scripted.origin}/a.png"}).result()
    assert "called by direct, and not by stream" in caught.value.hint
    with pytest.raises(NotInHistory) as caught:
        again.run("acme/other", {})
    assert caught.value.hint == "the history holds acme/imgen"


def test_a_dify_run_is_replayed(dify_client: nbkit.Client, scripted: ScriptedServer, replay: Any) -> None:
    """A workflow of Dify has its steps, its files and its id again, without a key."""
    served = recording(f"{NEW}/02-image-streaming-raw.raw")
    serve_files(scripted, served)
    scripted.on("GET", "/v1/parameters", answer({"user_input_form": []}))
    scripted.on("POST", "/v1/workflows/run", served.act())
    first = dify_client.submit("dify/default", {"prompt": "a cat"})
    result = first.result()
    again = replay().submit("dify/default", {"prompt": "a cat"})

    assert [type(event) for event in again.events] == [type(event) for event in first.events]
    assert [media.bytes for media in again.result().media] == [media.bytes for media in result.media]
    assert again.id == first.id


def test_files_match_by_what_is_in_them_and_uploads_by_their_address(
    client: nbkit.Client, scripted: ScriptedServer, replay: Any
) -> None:
    """Nothing is sent to find out that a picture is the one of then."""
    place = {"upload_url": f"{scripted.origin}/put", "file_url": f"{scripted.origin}/f/1"}
    scripted.on("POST", "/rest/storage/upload/initiate", answer(place))
    scripted.on("PUT", "/put", answer({}))
    scripted.on("POST", "/run/acme/imgen", answer({"n": 1}))
    client.run(APP, {"image_url": PNG})
    again = replay()

    assert again.run(APP, {"image_url": PNG})["n"] == 1
    assert again.upload(PNG) == f"{scripted.origin}/f/1"
    with pytest.raises(NotInHistory, match="no call of acme/imgen") as caught:
        again.run(APP, {"image_url": PNG + b"!"})
    assert "image_url is another file" in caught.value.hint
    with pytest.raises(NotInHistory, match="does not know the address"):
        again.upload(PNG + b"!")


def test_what_only_a_service_knows_is_refused(replay: Any) -> None:
    """A replay opens no connection for anything else either."""
    again = replay(key="SECRET-xyz")

    asked: list[Callable[[], Any]] = [
        lambda: again.schema(APP),
        lambda: again.cancel(APP, "r1"),
        lambda: again.status(APP, "r1"),
        lambda: again.result(APP, "r1"),
        lambda: again.dify("default").info(),
    ]
    for ask in asked:
        with pytest.raises(NotInHistory):
            ask()
    assert again.price(APP) is None


def test_a_mode_that_is_none_is_told(client: nbkit.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A typing error does not send what was to be replayed."""
    monkeypatch.setenv("NBKIT_MODE", "reply")

    with pytest.raises(ConfigError, match="NBKIT_MODE is 'reply'"):
        client.submit(APP, {})


def test_a_replay_starts_no_server_of_its_own(tmp_path: Path) -> None:
    """Without a key, and without the run in the history, there is an error at once."""
    program = "import nbkit; nbkit.Client().run('local/collage', {'prompt': 'a cat'})"
    env = {**os.environ, "NBKIT_MODE": "replay", "NBKIT_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False
    )

    assert "NotInHistory" in done.stderr
    assert not issubclass(NotInHistory, InputError)
