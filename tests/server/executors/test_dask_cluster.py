"""What only Dask has: workers that come and go, resources, and a scheduler that may be away."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from nbkit.errors import ConfigError, ServerError
from nbkit.server.catalogue import Entry
from nbkit.server.executors.dask_cluster import DaskCluster

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from nbkit.server.host import Host
    from tests.server.executors.conftest import DaskProcesses

ANY: dict[str, Any] = {"type": "object", "title": "Any", "properties": {}}


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_resources_are_waited_for_and_others_go_past(
    dask: Callable[[], DaskProcesses],
    start: Callable[..., Host],
    http: httpx.Client,
    finished: Callable[..., dict[str, Any]],
) -> None:
    """A request that no worker can take says so, can be cancelled, and begins when such a worker comes."""
    cluster = dask()
    cluster.worker()
    lab = start(executor=cluster.url, workers=None)
    lab.app.state.service.catalogue.add(
        Entry(
            id="lab/draw",
            title="draw",
            description="draw",
            category="test",
            input=ANY,
            output=ANY,
            model="lab_models:echo",
            resources={"GPU": 1},
        )
    )
    first, second = (http.post(f"{lab.url}/queue/lab/draw", json={"a": number}).json() for number in (1, 2))
    other = http.post(f"{lab.url}/run/lab/echo", json={"a": 3})
    waiting = http.get(first["status_url"], params={"logs": 1}).json()
    http.put(second["cancel_url"])
    finished(second, 5)
    cluster.worker("--resources", "GPU=1")
    finished(first, 20)

    assert other.json() == {"given": {"a": 3}}
    assert waiting["status"] == "IN_QUEUE"
    assert http.get(second["response_url"]).status_code == 499
    assert http.get(first["response_url"]).json() == {"given": {"a": 1}}
    logs = http.get(first["status_url"], params={"logs": 1}).json()["logs"]
    assert "has GPU=1; this waits until one comes" in logs[0]["message"]


def test_it_follows_the_cluster_and_outlives_its_scheduler(
    dask: Callable[[], DaskProcesses],
    start: Callable[..., Host],
    http: httpx.Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As many at once as there are threads; without a scheduler a request fails in words, and the server goes on."""
    monkeypatch.setattr("nbkit.server.executors.dask_cluster._CONNECT_SECONDS", 2)
    cluster = dask()
    lab = start(executor=cluster.url, workers=None)
    place = lab.app.state.service.dispatcher._workplace
    rooms = [place.room({})]
    worker = cluster.worker(threads=3)
    _until(lambda: place.room({}) == 3)
    cluster.kill(worker)
    _until(lambda: place.room({}) == 0)
    cluster.worker(threads=2)
    _until(lambda: place.room({}) == 2)
    before = http.post(f"{lab.url}/run/lab/echo", json={"a": 1})
    cluster.kill(cluster.scheduler)
    answer = http.post(f"{lab.url}/run/lab/echo", json={"a": 2}, timeout=60)

    assert rooms == [0]
    assert before.json() == {"given": {"a": 1}}
    assert (answer.status_code, answer.json()["error_type"]) == (503, "runner_disconnected")
    assert http.get(f"{lab.url}/health").status_code == 200


def test_what_waits_begins_when_a_scheduler_that_was_given_up_is_back(
    dask: Callable[[], DaskProcesses], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers that come later are seen, although nothing could be handed in meanwhile that would connect again."""
    monkeypatch.setattr("nbkit.server.executors.dask_cluster._LOOK_SECONDS", 0.1)
    cluster = dask()
    place = DaskCluster(cluster.url)
    place._client.close()  # as Dask itself does when its scheduler stays away
    place.open(lambda: None)
    cluster.worker(threads=2)
    _until(lambda: place.room({}) == 2)
    place.close()

    assert place.lack({}) == ""


@pytest.mark.parametrize("address", ["nonsense", "dask://", "dask://host:99999", "http://host:8786"])
def test_an_address_that_is_none_is_told_at_once(address: str) -> None:
    """And how one looks."""
    with pytest.raises(ConfigError, match="names no Dask scheduler"):
        DaskCluster(address)


def test_a_scheduler_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """With how to start one."""
    monkeypatch.setattr("nbkit.server.executors.dask_cluster._CONNECT_SECONDS", 0.3)
    with pytest.raises(ServerError, match=r"the Dask scheduler at tcp://127.0.0.1:1 cannot be reached"):
        DaskCluster("dask://127.0.0.1:1")
