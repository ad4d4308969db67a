from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from nbkit.server.journal import JournalFailed
from nbkit.server.readiness import Check, Readiness

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx
    import pytest

    from nbkit.server.host import Host


def _fill(host: Host, *, full: bool) -> None:
    """Let the disk be full: no page more than the file has, or room again."""
    connection = host.app.state.service.store._journal._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0] if full else 2**30
    connection.execute(f"PRAGMA max_page_count={pages}")


def test_a_server_that_is_well_is_ready(lab: Host, http: httpx.Client) -> None:
    """Each thing that was looked at is named."""
    answer = http.get(f"{lab.url}/ready")

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "checks": {"accepting": "ok", "journal": "ok", "workers": "ok", "disk": "ok"},
    }


def test_a_full_disk_is_told_and_forgiven(
    start: Callable[..., Host], http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever spreads requests over servers leaves this one out while it has no room; it lives all the same."""
    host = start()
    with monkeypatch.context() as patch:
        patch.setattr("nbkit.server.readiness._LEAST_ROOM", 2**80)
        full, health = http.get(f"{host.url}/ready"), http.get(f"{host.url}/health")
    after = http.get(f"{host.url}/ready")

    assert full.status_code == 503
    assert "MiB are free" in full.json()["checks"]["disk"]
    assert full.json()["checks"]["journal"] == "ok"
    assert (health.status_code, after.status_code) == (200, 200)


def test_a_journal_that_cannot_be_written_is_told_until_it_can(
    start: Callable[..., Host], http: httpx.Client
) -> None:
    """The answer changes back without any request being sent, since none is sent to a server that is not ready."""
    host = start()
    _fill(host, full=True)
    refused = http.post(f"{host.url}/queue/lab/echo", json={"content": "x" * 2**20})
    failing = http.get(f"{host.url}/ready")
    _fill(host, full=False)
    after = http.get(f"{host.url}/ready")

    assert refused.status_code == 507
    assert failing.status_code == 503
    assert "full" in failing.json()["checks"]["journal"]
    assert after.status_code == 200, after.text


async def test_a_check_that_hangs_or_fails_is_told_in_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """One bad check neither hides the others nor keeps who asks waiting."""
    monkeypatch.setattr("nbkit.server.readiness._PATIENCE", 0.1)

    async def hang() -> str:
        await asyncio.sleep(60)
        return ""

    async def fail() -> str:
        raise JournalFailed("the database is away")

    async def pass_() -> str:
        return ""

    began = time.monotonic()
    found = await Readiness([Check("a", hang), Check("b", fail), Check("c", pass_)]).problems()

    assert time.monotonic() - began < 5
    assert found == {"a": "no answer within 0.1 s", "b": "the database is away", "c": ""}


async def test_many_who_ask_at_once_share_one_answer() -> None:
    """A crowd of probes costs what one does."""
    asked = 0

    async def count() -> str:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.01)
        return ""

    readiness = Readiness([Check("a", count)])
    await asyncio.gather(*(readiness.problems() for _ in range(100)))

    assert asked == 1


def test_probes_need_no_key_and_say_nothing_secret(
    start: Callable[..., Host], http: httpx.Client, tmp_path: Path
) -> None:
    """What probes cannot hold keys."""
    host = start(key="secret", data_dir=tmp_path / "keyed")

    assert http.get(f"{host.url}/ready").status_code == 200
    assert http.get(f"{host.url}/health").status_code == 200
