from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

import nbkit
from nbkit.errors import CredentialsError, InputError, ServiceError
from tests.dify_recordings import NEW, OLD, PNG, recording
from tests.scripted_server import answer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbkit.client.dify_app import DifyApp
    from tests.scripted_server import Act, ScriptedServer

KEY = "app-SECRETSECRETSECRETSECRET"
LOGS, UPLOAD = "/v1/workflows/logs", "/v1/files/upload"
NO_ROUTE = "31l-unknown-route.http"


@pytest.fixture
def client(scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[nbkit.Client]:
    """A client that is connected to the scripted server."""
    monkeypatch.setenv("DIFY_BASE_URL", scripted.origin)
    monkeypatch.setenv("DIFY_API_KEY", KEY)
    with nbkit.Client(user="u1") as client:
        yield client


@pytest.fixture
def app(client: nbkit.Client) -> DifyApp:
    """The app behind it."""
    return client.dify()


def test_what_an_app_tells_of_itself(app: DifyApp, scripted: ScriptedServer) -> None:
    """Name, inputs, page and icons come as the server tells them, with the server's version."""
    for what in ("info", "parameters", "site", "meta"):
        scripted.on("GET", f"/v1/{what}", recording(f"{NEW}/06-{what}.http").act())

    assert app.info() == {
        "name": "image",
        "description": "image workflow",
        "tags": [],
        "mode": "workflow",
        "author_name": "admin",
        "version": "1.13.2",
        "base_url": f"{scripted.origin}/v1",
    }
    assert app.parameters()["user_input_form"][0]["text-input"]["variable"] == "prompt"
    assert app.site()["title"] == "image"
    assert app.meta() == {"tool_icons": {}}
    assert {it.headers["authorization"] for it in scripted.requests("GET")} == {f"Bearer {KEY}"}


def test_an_old_server(app: DifyApp, scripted: ScriptedServer) -> None:
    """What a server is too old for is said plainly, with its version and the one that brought it."""
    for what in ("info", "site"):
        scripted.on("GET", f"/v1/{what}", recording(f"{OLD}/06-{what}.http").act())
    scripted.on("GET", LOGS, recording(f"{OLD}/34-logs.http").act())

    assert app.info()["version"] == "0.6.16"
    with pytest.raises(ServiceError, match=r"came with Dify 1\.4, and this server is 0\.6\.16"):
        app.site()
    with pytest.raises(ServiceError, match=r"came with Dify 0\.9, and this server is 0\.6\.16"):
        app.logs()


@pytest.mark.parametrize("version", ["", "<b>1</b>", "1" * 100])
def test_a_version_that_is_none(app: DifyApp, scripted: ScriptedServer, version: str) -> None:
    """A server that does not name its version, or names nonsense, is one of an unknown version."""
    scripted.on("GET", "/v1/info", answer({"name": "x"}, headers={"x-version": version} if version else {}))

    assert app.info()["version"] == ""


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (recording(f"{NEW}/32-bad-key.http").act(), "Access token is invalid"),
        (answer(body=b"<title>Sign in</title>"), "not what Dify answers"),
        (answer([1]), "not what Dify answers"),
        (answer(body=b"[" * 100_000), "not what Dify answers"),
    ],
)
def test_answers_that_are_none(app: DifyApp, scripted: ScriptedServer, act: Act, words: str) -> None:
    """A refusal, a page or nonsense is one clear error."""
    for path in ("/v1/info", LOGS):
        scripted.on("GET", path, act)
    with pytest.raises(ServiceError, match=words):
        app.info()
    with pytest.raises(ServiceError, match=words):
        app.logs()


def test_logs_are_a_table(app: DifyApp, scripted: ScriptedServer) -> None:
    """The runs of an app are rows with real moments, shown as a table and given as dicts."""
    scripted.on("GET", LOGS, recording(f"{NEW}/34-logs.http").act())
    logs = app.logs(limit=2)
    first = logs[0]

    assert len(logs) == len(logs.to_records()) == 2
    assert first["run"] == "ceb4f6ba-bd08-4a95-95a5-b113e79a95e8"
    assert first["created"] == dt.datetime(2026, 11, 21, 21, 33, 8, tzinfo=dt.UTC)
    assert (first["status"], first["user"], first["steps"], first["error"]) == ("succeeded", "u1", 3, None)
    assert logs.title == "2 of 16 runs, page 1"
    shown = logs._repr_mimebundle_()
    assert "ceb4f6ba" in shown["text/html"]
    assert "succeeded" in shown["text/plain"] == repr(logs)


def test_logs_are_asked_for_as_wished(app: DifyApp, scripted: ScriptedServer) -> None:
    """Filters go to the server in its words; a moment goes as UTC, whatever its time zone."""
    scripted.on("GET", LOGS, recording(f"{NEW}/34b-logs-status-failed.http").act())
    east = dt.timezone(dt.timedelta(hours=2))
    (row,) = app.logs(
        keyword="a cat & a dog",
        status="failed",
        before=dt.datetime(2026, 11, 22, 1, tzinfo=east),
        after="2026-11-20T12:00:00Z",
        user="u 1",
        page=2,
        limit=1,
    )
    query = parse_qs(urlsplit(scripted.requests("GET")[0].target).query)

    assert "maximum retries" in row["error"]
    assert query == {
        "keyword": ["a cat & a dog"],
        "status": ["failed"],
        "created_at__before": ["2026-11-21T23:00:00Z"],
        "created_at__after": ["2026-11-20T12:00:00Z"],
        "created_by_end_user_session_id": ["u 1"],
        "page": ["2"],
        "limit": ["1"],
    }
    assert app.logs(after=dt.date(2026, 1, 1), before=dt.datetime(2026, 1, 2)) is not None  # noqa: DTZ001
    for wrong in ("yesterday", 5):
        with pytest.raises(InputError, match="before is not a moment"):
            app.logs(before=wrong)  # type: ignore[arg-type]
    scripted.on("GET", LOGS, recording(f"{NEW}/34c-logs-bad-status.http").act())
    with pytest.raises(ServiceError, match="should be 'succeeded', 'failed' or 'stopped'"):
        app.logs(status="nope")


@pytest.mark.parametrize(
    "entry",
    [
        {"workflow_run": {"id": 5, "created_at": "Sat, 21 Nov 2026 21:33:10 +0000", "elapsed_time": "x"}},
        {"workflow_run": {"created_at": 1e30, "finished_at": "never"}, "created_by_account": {"name": "ann"}},
        {"workflow_run": {}, "created_by_end_user": 5},
        {"workflow_run": {"status": "<script>alert(1)</script>"}},
        {"workflow_run": 5},
        None,
    ],
)
def test_strange_logs_are_shown_all_the_same(app: DifyApp, scripted: ScriptedServer, entry: Any) -> None:
    """Rows with parts that are missing or make no sense do not lose the others, and are inert."""
    whole = {"workflow_run": {"id": "r", "status": "succeeded", "created_at": 1795296788}}
    scripted.on("GET", LOGS, answer({"data": [entry, whole]}))
    logs = app.logs()

    assert logs[-1]["run"] == "r"
    assert "<script" not in logs._repr_mimebundle_()["text/html"]


def test_old_logs_have_moments_too(app: DifyApp, scripted: ScriptedServer) -> None:
    """Before 1.2 a moment was a line of text; it is the same moment."""
    run = {"id": "r", "created_at": "Sat, 21 Nov 2026 21:33:10 +0000"}
    scripted.on("GET", LOGS, answer({"data": [{"workflow_run": run}]}))

    assert app.logs()[0]["created"] == dt.datetime(2026, 11, 21, 21, 33, 10, tzinfo=dt.UTC)


def test_an_upload_is_input_again(client: nbkit.Client, scripted: ScriptedServer, tmp_path: Path) -> None:
    """What an upload to a connection gives can be put into inputs, there and in later runs."""
    (tmp_path / "a.png").write_bytes(PNG)
    scripted.on("POST", UPLOAD, recording(f"{NEW}/40-upload.http").act())
    scripted.on("GET", "/v1/parameters", recording(f"{NEW}/06-parameters.http").act())
    scripted.on("POST", "/v1/workflows/run", recording(f"{NEW}/13-partial-blocking.http").act())
    told: list[tuple[int, int]] = []
    file = client.upload(tmp_path / "a.png", endpoint="dify/default", on_progress=lambda *it: told.append(it))
    named = {
        "type": "image",
        "transfer_method": "local_file",
        "upload_file_id": recording(f"{NEW}/40-upload.http").json["id"],
    }
    client.run("dify/default", {"prompt": "a", "picture": file, "pictures": [file]})

    assert file == named
    assert told[-1] == (len(PNG), len(PNG))
    sent = scripted.requests("POST", "/v1/workflows/run")[0].json["inputs"]
    assert sent == {"prompt": "a", "picture": named, "pictures": [named]}
    assert scripted.count("POST", UPLOAD) == 1
    with pytest.raises(InputError, match="Dify decides"):
        client.upload(PNG, endpoint="dify/default", expires_in="1d")


def test_no_such_connection() -> None:
    """An app that is not connected is told as such."""
    with nbkit.Client() as client, pytest.raises(CredentialsError, match="dify/my-cat is not connected"):
        client.dify("my-cat").info()


async def test_an_app_for_asynchronous_code(
    scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The asynchronous client has the same app, and the same upload."""
    monkeypatch.setenv("DIFY_MY_CAT_BASE_URL", scripted.origin)
    monkeypatch.setenv("DIFY_MY_CAT_API_KEY", KEY)
    for what in ("info", "parameters", "site", "meta"):
        scripted.on("GET", f"/v1/{what}", recording(f"{NEW}/06-{what}.http").act())
    scripted.on("GET", LOGS, recording(f"{NEW}/34-logs.http").act())
    scripted.on("POST", UPLOAD, recording(f"{NEW}/40-upload.http").act())
    async with nbkit.AsyncClient() as client:
        app = client.dify("my-cat")

        assert (await app.info())["name"] == "image"
        assert "user_input_form" in await app.parameters()
        assert (await app.site())["title"] == "image"
        assert await app.meta() == {"tool_icons": {}}
        assert len(await app.logs(limit=2)) == 2
        assert (await client.upload(PNG, endpoint="dify/my-cat"))["transfer_method"] == "local_file"
        assert repr(app) == "<app dify/my-cat>"
    assert KEY not in json.dumps(repr(vars(app)))
