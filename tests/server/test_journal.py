from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from nbkit.errors import ServerError
from nbkit.server.files import FileStore, StoredFile
from nbkit.server.journal_file import open_journal
from nbkit.server.journal_sqlite import FILE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx

    from nbkit.server.host import Host

    Start = Callable[..., Host]
    Finished = Callable[..., dict[str, Any]]

MiB = 2**20


def _echo(http: httpx.Client, lab: Host, **given: Any) -> dict[str, Any]:
    answer = http.post(f"{lab.url}/queue/lab/echo", json=given)
    assert answer.status_code == 200, answer.text
    ticket: dict[str, Any] = answer.json()
    return ticket


def _busy(
    http: httpx.Client, lab: Host, until_running: Callable[[dict[str, Any]], None]
) -> list[dict[str, Any]]:
    """Give all workers something to do, and give what cancels it."""
    tickets = [http.post(f"{lab.url}/queue/lab/wait", json={"seconds": 60}).json() for _ in range(2)]
    for ticket in tickets:
        until_running(ticket)
    return tickets


def _fill(lab: Host, *, full: bool) -> None:
    """Let the disk be full: no page more than the file has, or room again."""
    journal = lab.app.state.service.store._journal
    pages = journal._connection.execute("PRAGMA page_count").fetchone()[0] if full else 2**30
    journal._connection.execute(f"PRAGMA max_page_count={pages}")


@pytest.mark.parametrize("damage", [b"no database at all" * 500, b"SQLite format 3\0" + bytes(5000)])
def test_a_damaged_journal_is_put_aside(
    start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: bytes
) -> None:
    """The server says so in one line, keeps the file, and begins anew."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / FILE).write_bytes(damage)
    start(data_dir=folder)
    said = caplog.messages
    aside = [path for path in folder.iterdir() if "damaged" in path.name]

    assert len(said) == 1
    assert "is damaged" in said[0]
    assert aside[0].read_bytes() == damage


def test_a_torn_page_is_found_at_the_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Pages are checked before anything is believed."""
    path = tmp_path / FILE
    connection = open_journal(path)
    for number in range(200):
        connection.execute("INSERT INTO inputs VALUES (?, ?)", (str(number), bytes(1000)))
    connection.close()
    content = bytearray(path.read_bytes())
    content[3 * 4096 :] = os.urandom(len(content) - 3 * 4096)
    path.write_bytes(content)
    with closing(open_journal(path)) as anew:
        assert anew.execute("SELECT count(*) FROM inputs").fetchone() == (0,)

    assert "is damaged" in caplog.text


def test_a_journal_of_a_newer_nbkit_is_left_alone(tmp_path: Path) -> None:
    """It may hold what this one does not understand."""
    path = tmp_path / FILE
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version=99")

    with pytest.raises(ServerError, match="newer nbkit"):
        open_journal(path)


def test_a_folder_that_cannot_be_written_is_refused_at_the_start(tmp_path: Path) -> None:
    """Rather than taking requests that would be lost."""
    (tmp_path / FILE).mkdir()

    with pytest.raises(ServerError, match="cannot write"):
        open_journal(tmp_path / FILE)


def test_on_a_full_disk_nothing_is_promised_and_the_rest_goes_on(
    start: Start, http: httpx.Client, finished: Finished, caplog: pytest.LogCaptureFixture
) -> None:
    """New requests of the queue are refused with 507, status, results and direct calls work; later all does."""
    lab = start()
    before = _echo(http, lab, known=True)
    finished(before)
    _fill(lab, full=True)
    content = "x" * MiB
    refused = [http.post(f"{lab.url}/queue/lab/echo", json={"content": content}) for _ in range(3)]
    direct = http.post(f"{lab.url}/run/lab/echo", json={"a": 1})
    known = http.get(before["response_url"])
    _fill(lab, full=False)
    after = _echo(http, lab, content=content)

    assert [answer.status_code for answer in refused] == [507] * 3
    assert "full" in refused[0].json()["detail"]
    assert (direct.json(), known.json()) == ({"given": {"a": 1}}, {"given": {"known": True}})
    assert finished(after).get("error") is None
    assert len(caplog.messages) == 1


def test_a_result_that_cannot_be_written_is_told_and_written_later(
    start: Start, http: httpx.Client, finished: Finished, until_running: Callable[[dict[str, Any]], None]
) -> None:
    """The disk fills while the request is computed: its caller gets the result, and after a restart still has it."""
    lab = start()
    busy = _busy(http, lab, until_running)
    ticket = _echo(http, lab, content="x" * 200_000)
    _fill(lab, full=True)
    for each in busy:
        http.put(each["cancel_url"])
    finished(ticket)
    assert http.get(ticket["response_url"]).status_code == 200
    _fill(lab, full=False)
    finished(_echo(http, lab))
    lab.stop()
    again = start()
    path = ticket["response_url"].removeprefix(lab.url)

    assert len(http.get(again.url + path).json()["given"]["content"]) == 200_000


def test_large_inputs_wait_on_the_disk(
    start: Start, http: httpx.Client, finished: Finished, until_running: Callable[[dict[str, Any]], None]
) -> None:
    """No more than the limit stays in memory; those of the queue come back in time, direct calls are refused."""
    lab = start(queued_bytes=3 * MiB)
    busy = _busy(http, lab, until_running)
    tickets = [_echo(http, lab, number=number, content="x" * MiB) for number in range(10)]
    runs = lab.app.state.service.store.unfinished()
    direct = http.post(f"{lab.url}/run/lab/echo", json={"content": "x" * 2 * MiB})
    in_memory = [run for run in runs if run.endpoint == "lab/echo" and run.input is not None]
    for ticket in busy:
        http.put(ticket["cancel_url"])
    for number, ticket in enumerate(tickets):
        finished(ticket)
        assert http.get(ticket["response_url"]).json()["given"]["number"] == number

    journal = lab.app.state.service.store._journal
    assert journal._connection.execute("SELECT count(*) FROM inputs").fetchone() == (0,)
    assert len(in_memory) == 2
    assert direct.status_code == 429
    assert lab.app.state.service.store._held_bytes == 0


def test_an_input_that_must_not_be_stored_is_not(
    start: Start, http: httpx.Client, finished: Finished, until_running: Callable[[dict[str, Any]], None]
) -> None:
    """`X-Fal-Store-IO: 0`: it is in no file, so after a restart its request is failed with a sentence."""
    lab = start()
    _busy(http, lab, until_running)
    url = f"{lab.url}/queue/lab/echo"
    ticket = http.post(url, json={"secret": "hush-hush"}, headers={"X-Fal-Store-IO": "0"}).json()
    folder = lab.app.state.service.settings.data_dir
    assert not any(b"hush-hush" in path.read_bytes() for path in folder.glob(f"{FILE}-wal"))
    lab.stop()
    again = start()
    ticket = {
        name: value.replace(lab.url, again.url) for name, value in ticket.items() if name.endswith("_url")
    }
    finished(ticket)
    answer = http.get(ticket["response_url"])

    assert answer.status_code == 500
    assert "cannot compute this request any more" in answer.json()["detail"]


def test_results_leave_memory_before_they_leave_the_disk(
    start: Start, http: httpx.Client, finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory holds the newest; older ones are read when somebody asks."""
    monkeypatch.setattr("nbkit.server.run_store._REMEMBERED", 2)
    lab = start()
    tickets = [_echo(http, lab, number=number) for number in range(6)]
    for ticket in tickets:
        finished(ticket)

    assert len(lab.app.state.service.store._runs) == 2
    assert [http.get(ticket["response_url"]).json()["given"]["number"] for ticket in tickets] == list(
        range(6)
    )


def test_large_results_have_a_life_time_of_their_own(
    start: Start, http: httpx.Client, finished: Finished
) -> None:
    """As fal keeps results of 10 kB for a shorter time; here it is a setting."""
    lab = start(kept_large_seconds=0.3)
    large, small = _echo(http, lab, content="x" * 10_000), _echo(http, lab)
    for ticket in (large, small):
        finished(ticket)
    time.sleep(0.4)

    assert [http.get(ticket["response_url"]).status_code for ticket in (large, small)] == [404, 200]


def test_files_go_by_age_and_then_by_size(tmp_path: Path) -> None:
    """The oldest first, each with its description."""
    files = FileStore(tmp_path)
    kept = [StoredFile.new(f"{age}.bin", "application/octet-stream") for age in range(5)]
    for age, file in enumerate(kept):
        files.put(file, bytes(1000))
        for suffix in ("", ".json"):
            moment = time.time() - age * 100
            os.utime(tmp_path / "files" / f"{file.id}{suffix}", (moment, moment))
    files.trim(350, 10**9)
    by_age = [files.find(file.id) is not None for file in kept]
    files.trim(350, 2500)
    by_size = [files.find(file.id) is not None for file in kept]

    assert by_age == [True, True, True, True, False]
    assert by_size == [True, True, False, False, False]
    assert len(list((tmp_path / "files").iterdir())) == 4
