# Annotations are read here as they are by those who declare functions, so they are not put off.

import functools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

import nbkit
from nbkit.errors import InputError, RunCancelled, RunFailed
from nbkit.model.event import Log, Output
from nbkit.transport.loop import wait

KEY = "a-key:of-fal"


@pytest.fixture(scope="module")
def client() -> Iterator[nbkit.Client]:
    """A client, with a server that is started once."""
    with nbkit.Client("local") as client:
        yield client


@pytest.fixture
def declare() -> Callable[..., Any]:
    """Declare a function as a notebook does, whose functions belong to `__main__`."""

    def declare(name: str, function: Any, **options: Any) -> Any:
        function.__module__ = "__main__"
        return nbkit.endpoint(name, **options)(function)

    return declare


def test_a_function_is_an_endpoint_in_every_way(client: nbkit.Client, declare: Callable[..., Any]) -> None:
    """By the queue, directly and as a stream, with logs, pictures on the way, a file that goes in, and a seed."""

    def fade(picture: Image.Image, steps: int = 2, seed: int | None = None) -> Iterator[Any]:
        assert seed is not None
        print("printed")  # noqa: T201
        nbkit.log("logged")
        for step in range(steps):
            time.sleep(0.25)
            yield step / steps, f"step {step}", picture
        yield picture.rotate(90, expand=True)

    declare("me/fade", fade)
    given = {"picture": Image.new("RGB", (6, 4), "red")}
    queued = client.submit("me/fade", given)
    result = queued.result()
    streamed = client.stream("me/fade", {**given, "seed": 4})
    on_the_way = [event for event in streamed if isinstance(event, Output)]

    assert result.image.pil().size == (4, 6)
    assert isinstance(result.seed, int)
    assert [event.message for event in queued.events if isinstance(event, Log)] == ["printed", "logged"]
    assert len(on_the_way) >= 3
    assert on_the_way[0].data["partial"] is True
    assert streamed.result().seed == 4
    assert client.run("me/fade", given).image.width == 4
    assert [it.name for it in client.schema("me/fade").fields] == ["picture", "steps", "seed"]


def test_a_declared_id_never_leaves_this_machine(
    monkeypatch: pytest.MonkeyPatch, declare: Callable[..., Any]
) -> None:
    """Where there is a key for fal, a function is answered here all the same; a client of fal alone refuses."""
    monkeypatch.setenv("FAL_KEY", KEY)
    declare("me/here", _here)

    with nbkit.Client() as auto:
        assert auto.subscribe("me/here", {}).data == {"output": "here"}
        line = wait(auto._calls.session.line(None))
        assert "fal" in line.service.hosts.queue
    with nbkit.Client("fal") as fal, pytest.raises(InputError, match="me/here is a function of this process"):
        fal.subscribe("me/here", {})


def _here() -> str:
    return "here"


def test_running_the_cell_again_replaces_the_function(
    client: nbkit.Client, declare: Callable[..., Any]
) -> None:
    """The next request runs the new code; one that is at work ends with the old."""

    def old(seconds: float = 0) -> str:
        time.sleep(seconds)
        return "old"

    def new(seconds: float = 0, extra: int = 1) -> str:
        return f"new {seconds:g} {extra}"

    declare("me/twice", old)
    assert client.run("me/twice", {}).data["output"] == "old"
    at_work = client.submit("me/twice", {"seconds": 0.7})
    while at_work.status != "running":
        time.sleep(0.02)
    declare("me/twice", new)

    assert client.run("me/twice", {}).data["output"] == "new 0 1"
    assert at_work.result().data["output"] == "old"
    assert [it.name for it in client.schema("me/twice").fields] == ["seconds", "extra"]


def test_what_a_function_uses_is_as_it_is_when_it_is_called(
    client: nbkit.Client, declare: Callable[..., Any]
) -> None:
    """A value or helper that changed in the notebook counts from the next call on."""
    values = {"factor": 2}

    def times(number: int) -> int:
        return number * values["factor"]

    declare("me/times", times)
    before = client.run("me/times", {"number": 5}).data["output"]
    values["factor"] = 3

    assert (before, client.run("me/times", {"number": 5}).data["output"]) == (10, 15)


def test_weights_are_loaded_once(client: nbkit.Client, declare: Callable[..., Any]) -> None:
    """What stands under `functools.cache` is there for the next request, until the code changes."""

    @functools.cache
    def weights() -> float:
        return time.time_ns()

    weights.__wrapped__.__module__ = weights.__module__ = "__main__"

    def loaded() -> str:
        return str(weights())

    declare("me/loaded", loaded)
    # One after the other, the worker that computed last computes the next.
    first, second = (client.run("me/loaded", {}).data["output"] for _ in range(2))

    assert first == second


def test_what_cannot_go_along_is_told_before_anything_is_sent(
    client: nbkit.Client, declare: Callable[..., Any]
) -> None:
    """One error, which names what it is."""
    lock = threading.Lock()

    def locked() -> bool:
        return lock.locked()

    declare("me/locked", locked)
    with pytest.raises(InputError, match="me/locked uses 'lock', which cannot be sent"):
        client.subscribe("me/locked", {})


def test_a_bad_input_is_refused_field_by_field(declare: Callable[..., Any], client: nbkit.Client) -> None:
    """The server's word, as fal's, where the client does not look first."""
    declare("me/typed", _typed)
    with nbkit.Client("local", validate=False) as unchecked, pytest.raises(RunFailed) as caught:
        unchecked.subscribe("me/typed", {"number": "many"})
    with pytest.raises(InputError, match='number: "many" is not an integer'):
        client.subscribe("me/typed", {"number": "many"})

    entry = caught.value.body["detail"][0]
    assert (entry["loc"], entry["type"], entry["input"]) == (["body", "number"], "int_parsing", "many")
    assert caught.value.status == 422


def _typed(number: int) -> int:
    if number < 0:
        raise InputError("it is too small for me", field="number")
    return number


def test_a_function_may_refuse_an_input_itself(declare: Callable[..., Any], client: nbkit.Client) -> None:
    """With an error that names the field."""
    declare("me/typed", _typed)
    with pytest.raises(RunFailed, match="number: it is too small for me") as caught:
        client.subscribe("me/typed", {"number": -1})

    assert caught.value.status == 422


@pytest.mark.parametrize(
    ("function", "says"),
    [
        ("junk", "is of the type object, which is no JSON"),
        ("raising", "ValueError: the oven is cold"),
        ("leaving", "exit code 9"),
    ],
)
def test_a_function_that_goes_wrong_fails_its_own_request(
    client: nbkit.Client, declare: Callable[..., Any], function: str, says: str
) -> None:
    """One clear failure each, and the next request is answered."""
    declare("me/wrong", {"junk": _junk, "raising": _raising, "leaving": _leaving}[function])
    with pytest.raises(RunFailed, match=says):
        client.subscribe("me/wrong", {})
    declare("me/right", _here)

    assert client.subscribe("me/right", {}).data == {"output": "here"}


def _junk() -> Any:
    return object()


def _raising() -> str:
    raise ValueError("the oven is cold")


def _leaving() -> str:
    import os

    os._exit(9)


def test_limits_are_the_endpoint_s_own(client: nbkit.Client, declare: Callable[..., Any]) -> None:
    """Its time, and its memory."""
    declare("me/slow", _slow, time_limit=0.5)
    declare("me/large", _large, memory_limit="300 MB")

    with pytest.raises(RunFailed, match=r"Stopped after computing for 0\.5 s"):
        client.subscribe("me/slow", {})
    with pytest.raises(RunFailed, match="larger memory_limit"):
        client.subscribe("me/large", {})


def _slow() -> str:
    import time

    time.sleep(60)
    return "never"


def _large() -> str:
    import time

    held = b"x" * 600_000_000
    time.sleep(60)
    return str(len(held))


def test_a_cancel_stops_a_function_at_its_next_step(
    client: nbkit.Client, declare: Callable[..., Any]
) -> None:
    """And one that takes none is ended with its process."""

    def stepping() -> Iterator[Any]:
        while True:
            time.sleep(0.02)
            yield 0.5

    for name, function in (("me/stepping", stepping), ("me/slow", _slow)):
        declare(name, function)
        run = client.submit(name, {})
        while run.status != "running":
            time.sleep(0.02)
        run.cancel()
        with pytest.raises(RunCancelled):
            run.result(timeout=20)


def test_results_of_an_earlier_version_are_not_taken_from_history(
    client: nbkit.Client, declare: Callable[..., Any], tmp_path: Path
) -> None:
    """The same version's are, so that a sweep that is run again computes nothing twice."""
    count = tmp_path / "count"

    def first(number: int) -> int:
        with count.open("a") as file:
            file.write("x")
        return number

    def second(number: int) -> int:
        with count.open("a") as file:
            file.write("y")
        return -number

    def swept() -> list[bool]:
        sweep = nbkit.Sweep("me/counted", {}, {"number": [3, 4]}, client=client).run(show=False)
        return [outcome.is_from_history for _, outcome in sweep if outcome]

    declare("me/counted", first)
    once = [client.run("me/counted", {"number": 1}, reuse="always").data["output"] for _ in range(2)]
    sweeps = [swept(), swept()]
    declare("me/counted", second)
    again = client.run("me/counted", {"number": 1}, reuse="always").data["output"]

    assert (once, sweeps) == ([1, 1], [[False, False], [True, True]])
    assert (again, swept()) == (-1, [False, False])
    assert count.read_text() == "xxxyyy"


def test_only_the_kernel_may_hand_functions_over(client: nbkit.Client) -> None:
    """Without the server's key nothing is taken, and what is no function is told."""
    line = wait(client._calls.session.line(None))
    url, key = f"{line.service.hosts.rest.removesuffix('/rest')}/declared", line.service._key
    assert key is not None

    def put(content: bytes, **headers: str) -> httpx.Response:
        return httpx.put(url, content=content, headers=headers, trust_env=False)

    with_key = {"authorization": f"Key {key.reveal()}"}
    assert put(b"{}\n").status_code == 401
    assert put(b"{}\n", authorization="Key wrong").status_code == 401
    assert (
        httpx.put(f"{url}?fal_jwt_token={key.reveal()}", content=b"{}\n", trust_env=False).status_code == 401
    )
    assert put(b"no json\n", **with_key).status_code == 422
    assert put(b"[]\n", **with_key).status_code == 422
    assert put(b'{"id": "local/collage"}\n', **with_key).status_code == 422
    assert put(b'{"id": "me/x"}\n', **with_key).status_code == 422
