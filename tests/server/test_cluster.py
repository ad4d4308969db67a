from __future__ import annotations

import json
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import httpx
import psycopg

import nbkit
from tests.killable_server import Killable, Ticket, at, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.postgres import Postgres


def ended(http: httpx.Client, server: Killable, ticket: Ticket, seconds: float = 30) -> dict[str, Any]:
    """The last status of a request, as a server's stream tells it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for status in statuses(http, server, ticket):
            if status["status"] == "COMPLETED":
                return status
    raise TimeoutError(ticket)


def statuses(http: httpx.Client, server: Killable, ticket: Ticket) -> Iterator[dict[str, Any]]:
    """Each status that a server's stream tells of a request."""
    address = f"{at(server, ticket['status_url'])}/stream?logs=1"
    with http.stream("GET", address) as stream:
        for line in stream.iter_lines():
            if line.startswith("data:"):
                yield httpx.Response(200, text=line[5:]).json()


def result(http: httpx.Client, server: Killable, ticket: Ticket) -> httpx.Response:
    """What a server answers for a request's result."""
    return http.get(at(server, ticket["response_url"]))


def wait(http: httpx.Client, server: Killable, seconds: float, **headers: str) -> Ticket:
    """Submit a request that takes some time."""
    answer = http.post(f"{server.url}/queue/lab/wait", json={"seconds": seconds}, headers=headers)
    assert answer.status_code == 200, answer.text
    ticket: Ticket = answer.json()
    return ticket


def test_each_of_500_requests_to_two_servers_is_computed_once(
    pair: tuple[Killable, Killable],
) -> None:
    """Whichever server takes it and whichever is asked, and the models count it themselves."""

    def one(number: int) -> str:
        here, there = pair if number % 2 else pair[::-1]
        ticket = here.submit(http, f"run{number}")
        asked = there if number % 3 else here
        ended(http, asked, ticket)
        name: str = result(http, there, ticket).json()["name"]
        return name

    with httpx.Client(timeout=60, trust_env=False) as http, ThreadPoolExecutor(16) as threads:
        names = list(threads.map(one, range(500)))

    assert names == [f"run{number}" for number in range(500)]
    assert set(pair[0].count("begun").values()) == set(pair[0].count("done").values()) == {1}
    assert len(pair[0].count("done")) == 500


def test_when_one_server_is_killed_the_other_finishes_its_requests(
    pair: tuple[Killable, Killable], http: httpx.Client, database: str
) -> None:
    """Its queue and what it computed; whoever asks the survivor gets every result."""
    doomed, survivor = pair
    tickets = [doomed.submit(http, f"run{number}", 0.05) for number in range(60)]
    until(lambda: len(doomed.count("done")) > 20)
    doomed.end()
    for ticket in tickets:
        ended(http, survivor, ticket)
    names = [result(http, survivor, ticket).json()["name"] for ticket in tickets]
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "SELECT count(*), count(ended), count(DISTINCT id) FROM nbkit.requests"
        ).fetchone()
        left = connection.execute("SELECT count(*) FROM nbkit.inputs").fetchone()

    assert names == [f"run{number}" for number in range(60)]
    assert (rows, left) == ((60, 60, 60), (0,))
    again = [name for name, times in doomed.count("begun").items() if times > 1]
    assert len(again) <= 2  # those that its two workers were at


def test_a_run_that_two_servers_went_down_with_is_not_tried_again(
    pair: tuple[Killable, Killable], begin: Callable[..., Killable], http: httpx.Client, database: str
) -> None:
    """It may be what brings them down."""

    def started() -> int:
        with psycopg.connect(database) as connection:
            row = connection.execute("SELECT starts FROM nbkit.requests").fetchone()
        return row[0] if row else 0

    ticket = pair[0].submit(http, "deadly", 30)
    for turn, server in enumerate(pair, 1):
        until(lambda turn=turn: started() == turn)  # type: ignore[misc]
        server.end()
    last = begin()
    ended(http, last, ticket)

    assert "went down twice" in result(http, last, ticket).json()["detail"]
    assert last.count("begun")["deadly"] <= 2


def test_another_server_streams_places_logs_and_the_end(
    pair: tuple[Killable, Killable], http: httpx.Client
) -> None:
    """As the one does that has the request."""
    here, there = pair
    busy = [wait(http, here, 3) for _ in range(2)]
    until(lambda: all(http.get(one["status_url"]).json()["status"] == "IN_PROGRESS" for one in busy))
    first = wait(http, here, 0.1)
    second = http.post(f"{here.url}/queue/lab/echo", json={"a": 1}).json()
    seen = list(statuses(http, there, second))
    direct = list(statuses(http, here, second))

    assert seen[0]["queue_position"] == 1
    assert {status["status"] for status in seen} >= {"IN_QUEUE", "COMPLETED"}
    assert [entry["message"] for status in seen for entry in status["logs"]] == ["echoing"]
    assert seen[-1]["metrics"] == direct[-1]["metrics"]
    for ticket in (*busy, first):
        ended(http, there, ticket)


def test_cancel_reaches_the_server_that_has_the_request(
    pair: tuple[Killable, Killable], http: httpx.Client
) -> None:
    """A waiting request is cancelled at once, one at work is stopped, one that is over is not changed."""
    here, there = pair
    busy = [wait(http, here, 30) for _ in range(2)]
    waiting = wait(http, here, 30)
    answers = [http.put(at(there, ticket["cancel_url"])) for ticket in (waiting, *busy)]
    ends = [ended(http, there, ticket) for ticket in (waiting, *busy)]
    again = http.put(at(there, waiting["cancel_url"]))

    assert [(answer.status_code, answer.json()["status"]) for answer in answers] == [
        (200, "OK"),
        (202, "CANCELLATION_REQUESTED"),
        (202, "CANCELLATION_REQUESTED"),
    ]
    assert {end["error_type"] for end in ends} == {"client_cancelled"}
    assert (again.status_code, again.json()) == (400, {"status": "ALREADY_COMPLETED"})
    assert result(http, there, waiting).status_code == 499


def test_a_cancel_outlives_the_server_that_was_asked_for_it(
    pair: tuple[Killable, Killable], http: httpx.Client
) -> None:
    """The server that has the request does not hear any more; the next one knows."""
    here, there = pair
    ticket = here.submit(http, "one", 30)
    until(lambda: here.count("begun"))
    assert here.process
    here.process.send_signal(signal.SIGSTOP)
    code = http.put(at(there, ticket["cancel_url"])).status_code
    here.end()

    assert code == 202
    assert ended(http, there, ticket)["error_type"] == "client_cancelled"
    assert here.count("begun") == {"one": 1}


def test_servers_that_start_at_once_make_the_tables_once(
    begin: Callable[..., Killable], http: httpx.Client
) -> None:
    """On an empty database, each with a folder that the other has too."""
    with ThreadPoolExecutor(3) as threads:
        servers = list(threads.map(lambda _: begin(), range(3)))
    tickets = [server.submit(http, server.url) for server in servers]

    for ticket in tickets:
        for server in servers:
            ended(http, server, ticket)
            assert result(http, server, ticket).status_code == 200


def test_while_the_database_is_away_requests_are_refused_and_none_is_lost(
    begin: Callable[..., Killable], http: httpx.Client, postgres: Postgres, tmp_path: Path
) -> None:
    """What is computed then ends when the database is back, and what waits begins then; each is computed once."""
    servers = [begin(), begin()]
    away = tmp_path / "away"
    running = [
        server.submit(http, f"running{server.port}{number}", until=str(away))
        for server in servers
        for number in range(2)
    ]
    waiting = [server.submit(http, f"waiting{server.port}", 0.1) for server in servers]
    until(lambda: len(servers[0].count("begun")) == 4)
    postgres.stop(signal.SIGQUIT)
    try:
        refused = [http.post(f"{server.url}/queue/lab/echo", json={}) for server in servers]
        health = http.get(f"{servers[0].url}/health").json()
        unknown = http.get(at(servers[1], running[0]["status_url"]))
        away.touch()
        until(lambda: len(servers[0].count("done")) == 4)
        own = http.get(running[0]["status_url"]).json()["status"]
    finally:
        postgres.start()
    ends = [ended(http, server, ticket) for server in servers for ticket in (*running, *waiting)]

    assert [answer.status_code for answer in (*refused, unknown)] == [503, 503, 503]
    assert "database cannot be reached" in refused[0].json()["detail"]
    assert (health["status"], health["database"]) == ("degraded", "away")
    assert own == "IN_PROGRESS"  # its end is told when it is written down
    assert not any("error" in end for end in ends)
    assert set(servers[0].count("begun").values()) == {1}
    assert http.get(f"{servers[0].url}/health").json()["database"] == "ok"
    http.post(f"{servers[1].url}/queue/lab/echo", json={}).raise_for_status()


def test_a_server_that_wakes_lets_go_of_what_others_took_over(
    begin: Callable[..., Killable], http: httpx.Client
) -> None:
    """PostgreSQL takes it for dead when it says nothing; what it computed meanwhile does not count."""
    sleeper, other = begin(silent_seconds=1), begin()
    running = [sleeper.submit(http, f"running{number}", 2) for number in range(2)]
    waiting = sleeper.submit(http, "waiting")
    until(lambda: len(sleeper.count("begun")) == 2)
    assert sleeper.process
    sleeper.process.send_signal(signal.SIGSTOP)
    ends = [ended(http, other, ticket) for ticket in (*running, waiting)]
    before = [result(http, other, ticket).content for ticket in running]
    sleeper.process.send_signal(signal.SIGCONT)
    until(lambda: all(http.get(at(sleeper, ticket["status_url"])).status_code == 200 for ticket in running))
    time.sleep(0.3)
    told = [http.get(at(sleeper, ticket["status_url"])).json()["metrics"] for ticket in (*running, waiting)]

    assert told == [end["metrics"] for end in ends]
    assert [result(http, sleeper, ticket).content for ticket in running] == before
    assert sleeper.count("done")["waiting"] == 1
    assert "other servers have taken over 3 requests" in sleeper.end()


def test_who_follows_a_request_through_both_servers_sees_one_truth(
    pair: tuple[Killable, Killable],
) -> None:
    """`nbkit.Client` asks whichever server comes next, as behind a reverse proxy, and one dies meanwhile."""
    doomed, survivor = pair
    results: list[Any] = []

    def follow(name: str) -> None:
        with nbkit.Client(key="k", base_url=survivor.url) as client:
            given = {"file": str(survivor.marks), "name": name, "seconds": 0.3}
            results.append(client.subscribe("lab/mark", given).data["name"])

    followers = [threading.Thread(target=follow, args=(f"run{index}",)) for index in range(4)]
    for follower in followers:
        follower.start()
    doomed.end()
    for follower in followers:
        follower.join(20)

    assert sorted(results) == [f"run{index}" for index in range(4)]


def test_files_and_tokens_of_one_server_are_good_at_the_other(
    begin: Callable[..., Killable], http: httpx.Client
) -> None:
    """They share a folder, and the secrets that they sign with."""
    here, there = begin(key="k"), begin(key="k")
    http.headers["authorization"] = "Key k"
    ticket = http.post(f"{here.url}/queue/lab/picture", json={"seed": 5, "seconds": 0}).json()
    ended(http, there, ticket)
    picture = result(http, there, ticket).json()["images"][0]["url"]
    token = http.post(f"{here.url}/rest/tokens/", json={"allowed_apps": ["echo"]}).json()
    keys = [http.get(f"{server.url}/.well-known/jwks.json").json() for server in (here, there)]
    del http.headers["authorization"]

    assert picture.startswith(there.url)
    assert http.get(at(here, picture)).content == http.get(picture).content
    answer = http.post(f"{there.url}/run/lab/echo", params={"fal_jwt_token": token}, json={"a": 1})
    assert answer.json() == {"given": {"a": 1}}
    assert keys[0] == keys[1]


def test_a_name_finds_the_requests_of_all_servers(
    pair: tuple[Killable, Killable], http: httpx.Client
) -> None:
    """In the order in which they came."""
    tickets = [server.submit(http, "x", headers={"x-nbkit-run": "mine"}) for server in (*pair, *pair)]
    listed = [
        http.get(f"{server.url}/api/v1/requests", params={"name": "mine"}).json()["requests"]
        for server in pair
    ]

    assert listed[0] == listed[1]
    assert [each["request_id"] for each in listed[0]] == [ticket["request_id"] for ticket in tickets]


def test_a_webhook_is_told_once_also_by_the_server_that_took_over(
    pair: tuple[Killable, Killable], http: httpx.Client, database: str
) -> None:
    """What ended before is told by its own server, what was left by the other; at the kill itself maybe by both."""

    def taken() -> list[str]:
        with psycopg.connect(database) as connection:
            return [
                row[0] for row in connection.execute("SELECT id FROM nbkit.requests WHERE webhook IS NULL")
            ]

    doomed, survivor = pair
    posts: list[Any] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posts.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_arguments: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Receiver) as receiver:
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        hook = f"http://127.0.0.1:{receiver.server_port}/hook"
        names = [doomed.submit(http, f"run{n}", 0.4, webhook=hook)["request_id"] for n in range(6)]
        until(lambda: len(taken()) >= 2)
        before = taken()
        doomed.end()
        until(lambda: len({post["request_id"] for post in posts}) == 6)
        time.sleep(0.3)
        receiver.shutdown()

    told = Counter(post["request_id"] for post in posts)
    assert set(told) == set(names)
    assert [told[id_] for id_ in before] == [1] * len(before)
    assert survivor.count("begun").keys() == {f"run{n}" for n in range(6)}
