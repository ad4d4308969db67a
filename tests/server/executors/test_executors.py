"""Everything that a request can do, by each executor that the documentation names."""

from __future__ import annotations

import io
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import ipyparallel
import loky
import pytest
from PIL import Image

from tests.server.conftest import running
from tests.server.executors.conftest import DaskProcesses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

    from nbkit.server.host import Host

EXECUTORS = ("threads", "processes", "loky", "dask", "ipyparallel")


def _executor(name: str, stack: ExitStack, tmp_path_factory: pytest.TempPathFactory) -> Any:
    if name == "threads":
        return stack.enter_context(ThreadPoolExecutor(2))
    if name == "processes":
        return stack.enter_context(ProcessPoolExecutor(2, multiprocessing.get_context("spawn")))
    if name == "loky":
        pool = loky.get_reusable_executor(2)
        stack.callback(pool.shutdown)
        return pool
    if name == "dask":
        cluster = DaskProcesses(tmp_path_factory.mktemp("dask"))
        stack.callback(cluster.end)
        cluster.worker(threads=2)
        return cluster.url
    profile = str(tmp_path_factory.mktemp("ipyparallel"))
    cluster = ipyparallel.Cluster(n=2, profile_dir=profile, log_level=50)
    client = stack.enter_context(cluster)
    client.wait_for_engines(2, timeout=60)
    return client.load_balanced_view().executor


@pytest.fixture(scope="module", params=EXECUTORS)
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A server whose requests an executor computes."""
    with ExitStack() as stack:
        executor = _executor(request.param, stack, tmp_path_factory)
        settings = {"executor": executor, "workers": None, "data_dir": tmp_path_factory.mktemp("server")}
        yield stack.enter_context(running(**settings))


def test_it_runs_as_many_at_once_as_it_has_places(cluster: Host) -> None:
    """Nobody needs to say how many workers there are."""
    assert cluster.app.state.service.dispatcher._workplace.room({}) == 2


def test_logs_and_pictures_come_while_it_computes(cluster: Host, http: httpx.Client) -> None:
    """A stream tells the same as with processes of this machine."""
    with http.stream("POST", f"{cluster.url}/run/lab/tell/stream", json={"steps": 2}) as answer:
        events = [line for line in answer.iter_lines() if line.startswith("data:")]

    assert sum("data:image/jpeg" in line for line in events) == 2
    assert '"steps":2' in events[-1]


def test_lines_of_a_model_stand_in_its_requests_log(
    cluster: Host, http: httpx.Client, finished: Callable[..., dict[str, Any]]
) -> None:
    """What it logs and what it prints, in order."""
    status = finished(http.post(f"{cluster.url}/queue/lab/tell", json={"steps": 1}).json())
    said = [entry["message"] for entry in status["logs"]]

    assert said[-2:] == ["from print", "step 0"]


def test_a_crash_fails_its_own_request_and_is_not_tried_again(cluster: Host, http: httpx.Client) -> None:
    """The model ended the process, so trying again would end another."""
    ticket = http.post(f"{cluster.url}/run/lab/leave", json={})
    after = http.post(f"{cluster.url}/run/lab/echo", json={"a": 1})

    assert ticket.status_code == 500
    assert "exit code 3" in ticket.json()["detail"]
    assert after.json() == {"given": {"a": 1}}


@pytest.mark.parametrize("name", ["wait", "stubborn"])
def test_a_cancel_stops_it(
    cluster: Host,
    http: httpx.Client,
    until_running: Callable[..., None],
    finished: Callable[..., dict[str, Any]],
    name: str,
) -> None:
    """A model that listens stops by itself, one that does not is ended."""
    ticket = http.post(f"{cluster.url}/queue/lab/{name}", json={"seconds": 60}).json()
    until_running(ticket)
    time.sleep(0.3)
    http.put(ticket["cancel_url"])
    finished(ticket, 10)

    assert http.get(ticket["response_url"]).status_code == 499


def test_pictures_go_in_and_come_out(cluster: Host, http: httpx.Client) -> None:
    """What was uploaded to the server is worked on, and what is made can be downloaded from it."""
    picture, content = Image.new("RGBA", (64, 48)), io.BytesIO()
    picture.paste("teal", (16, 12, 48, 36))
    picture.save(content, "PNG")
    upload = http.post(
        f"{cluster.url}/cdn/files/upload", content=content.getvalue(), headers={"content-type": "image/png"}
    )
    answer = http.post(f"{cluster.url}/run/local/sticker", json={"image_url": upload.json()["access_url"]})

    assert answer.status_code == 200
    with Image.open(io.BytesIO(http.get(answer.json()["image"]["url"]).content)) as made:
        assert made.getpixel((made.width // 2, made.height // 2)) == (0, 128, 128, 255)
