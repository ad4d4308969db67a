from __future__ import annotations

import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import httpx

    from tests.server.conftest import CommandLine

KEY = "id:secret"


@pytest.fixture(scope="module")
def locked(serve: type[CommandLine], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with a key, on all addresses."""
    folder = str(tmp_path_factory.mktemp("locked"))
    command = serve("--host", "0.0.0.0", "--port", "0", "--key", KEY, "--data-dir", folder)  # noqa: S104 - it has a key
    yield command.url().replace("0.0.0.0", "127.0.0.1")  # noqa: S104
    command.end()


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "notebook.localhost", "127.1.2.3", "[::1]"])
def test_names_of_this_machine_are_answered(server: str, http: httpx.Client, name: str) -> None:
    """With or without a port."""
    for host in (name, f"{name}:8188"):
        assert http.get(f"{server}/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "name", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "192.168.0.7"]
)
def test_other_names_are_refused_on_loopback(server: str, http: httpx.Client, name: str) -> None:
    """A web page cannot reach the server by letting its own name point to this machine."""
    answer = http.get(f"{server}/health", headers={"Host": name})

    assert answer.status_code == 421
    assert name in answer.json()["detail"]
    assert "x-fal-request-id" in answer.headers


@pytest.mark.parametrize("host", ["", "a b", "x/../y", 'a"b', "user@localhost"])
def test_a_host_that_is_none_is_refused(server: str, host: str) -> None:
    """Nothing strange gets into the addresses that are handed out."""
    parts = urlsplit(server)
    with socket.create_connection((parts.hostname, parts.port)) as line:
        line.sendall(f"GET /health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        answer = line.recv(1000)

    assert answer.startswith(b"HTTP/1.1 400")


def test_more_names_can_be_allowed(serve: type[CommandLine], tmp_path: Path, http: httpx.Client) -> None:
    """`--allow-host` for a front that has a name."""
    command = serve("--port", "0", "--data-dir", str(tmp_path), "--allow-host", "lab.example")
    url = command.url()
    codes = [
        http.get(f"{url}/health", headers={"Host": name}).status_code for name in ("lab.example", "x.example")
    ]
    command.end()

    assert codes == [200, 421]


def test_pages_of_this_machine_may_call_and_read_the_headers(server: str, http: httpx.Client) -> None:
    """A notebook's page is served from another port."""
    origin = "http://localhost:8888"
    asked = http.options(
        f"{server}/run/local/collage",
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization",
        },
    )
    answer = http.get(f"{server}/health", headers={"Origin": origin})

    assert asked.status_code == 204
    assert asked.headers["access-control-allow-headers"] == "authorization"
    assert "POST" in asked.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-origin"] == origin
    assert "x-fal-request-id" in answer.headers["access-control-expose-headers"]


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil.example"])
def test_pages_from_elsewhere_may_not_call_without_a_key(
    server: str, http: httpx.Client, origin: str
) -> None:
    """Any web page could otherwise use the server of whoever looks at it."""
    answer = http.post(f"{server}/run/local/collage", json={"prompt": "x"}, headers={"Origin": origin})

    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


def test_pages_of_an_origin_can_be_let_in(
    serve: type[CommandLine], tmp_path: Path, http: httpx.Client
) -> None:
    """`--allow-origin` for a page of one's own that is served from elsewhere; no other is let in with it."""
    command = serve("--port", "0", "--data-dir", str(tmp_path), "--allow-origin", "https://lab.example")
    url = command.url()
    asked = http.options(
        f"{url}/run/local/collage",
        headers={
            "Origin": "https://lab.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Private-Network": "true",
        },
    )
    origins = (
        "https://lab.example",
        "http://lab.example",
        "https://lab.example:444",
        "https://x.lab.example",
    )
    codes = [http.get(f"{url}/health", headers={"Origin": origin}).status_code for origin in origins]
    command.end()

    assert codes == [200, 403, 403, 403]
    assert asked.headers["access-control-allow-origin"] == "https://lab.example"
    assert asked.headers["access-control-allow-private-network"] == "true"
    assert {"PATCH", "DELETE"} <= set(asked.headers["access-control-allow-methods"].split(", "))


@pytest.mark.parametrize(
    "origin", ["*", "lab.example", "https://lab.example/", "https://lab.example/page", "null"]
)
def test_an_origin_that_is_none_is_one_clear_line(
    serve: type[CommandLine], tmp_path: Path, origin: str
) -> None:
    """There is no way to let everybody in by accident."""
    command = serve("--port", "0", "--data-dir", str(tmp_path), "--allow-origin", origin)
    _, errors = command.process.communicate(timeout=20)

    assert command.process.returncode == 1
    assert "--allow-origin" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Key anything"}])
def test_without_a_key_any_key_is_taken_on_loopback(
    server: str, http: httpx.Client, headers: dict[str, str]
) -> None:
    """Clients that insist on a key can send any."""
    assert http.get(f"{server}/api/v1/models", headers=headers).status_code == 200


@pytest.mark.parametrize("authorization", [f"Key {KEY}", f"Bearer {KEY}"])
def test_the_key_opens(locked: str, http: httpx.Client, authorization: str) -> None:
    """As `Key` and as `Bearer`."""
    assert http.get(f"{locked}/api/v1/models", headers={"Authorization": authorization}).status_code == 200


def test_the_key_may_stand_in_the_query(locked: str, http: httpx.Client) -> None:
    """Browsers' event streams cannot send headers."""
    assert http.get(f"{locked}/api/v1/models", params={"fal_jwt_token": KEY}).status_code == 200
    assert http.get(f"{locked}/api/v1/models", params={"fal_jwt_token": "no"}).status_code == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/queue/local/collage"),
        ("GET", "/queue/local/collage/requests/x/status"),
        ("POST", "/run/local/collage"),
        ("POST", "/run/local/collage/stream"),
        ("POST", "/rest/storage/auth/token"),
        ("POST", "/rest/storage/upload/initiate"),
        ("POST", "/cdn/files/upload"),
        ("POST", "/cdn/files/upload/multipart"),
        ("GET", "/openapi.json"),
        ("GET", "/api/v1/models"),
        ("GET", "/nothing"),
        ("GET", "/rest/workflows/"),
        ("POST", "/rest/workflows/"),
        ("GET", "/rest/workflows/local/x"),
        ("PATCH", "/rest/workflows/local/x"),
        ("DELETE", "/rest/workflows/local/x"),
        ("POST", "/api/fal/proxy"),
        ("PUT", "/api/fal/proxy"),
        ("GET", "/api/v1/models/pricing"),
        ("GET", "/.well-known/../api/v1/models"),
        ("GET", "/.well-known/jwks.json/x"),
    ],
)
@pytest.mark.parametrize("authorization", [None, "Key wrong", "Key", "id:secret", "Bearer 9999999999.00"])
def test_nothing_opens_without_the_key(
    locked: str, http: httpx.Client, method: str, path: str, authorization: str | None
) -> None:
    """Every route but /health asks for it."""
    headers = {"Authorization": authorization} if authorization else {}
    answer = http.request(method, locked + path, headers=headers)

    assert answer.status_code == 401
    assert "key" in answer.json()["detail"]


def test_health_is_open(locked: str, http: httpx.Client) -> None:
    """Whoever starts the server can see that it answers."""
    assert http.get(f"{locked}/health").status_code == 200


def test_the_proxy_opens_nothing_without_the_key(locked: str, http: httpx.Client) -> None:
    """It adds no key of its own: whoever may not call directly may not call through it."""
    for target in ("https://fal.run/local/collage", "https://v3.fal.media/files/0/0/x", f"{locked}/health"):
        answer = http.get(f"{locked}/api/fal/proxy", headers={"x-fal-target-url": target})
        assert answer.status_code == 401


@pytest.mark.parametrize("path", ["/.well-known/jwks.json", "/rest/.well-known/jwks.json"])
def test_the_keys_of_webhooks_are_public(locked: str, http: httpx.Client, path: str) -> None:
    """Whoever receives a webhook can verify it; the private half is not among them."""
    (key,) = http.get(locked + path).json()["keys"]

    assert (key["kty"], key["crv"]) == ("OKP", "Ed25519")
    assert "d" not in key


def test_an_address_that_was_handed_out_opens_its_file_alone(locked: str, http: httpx.Client) -> None:
    """Files are fetched without the key, by whoever was given their address; the key is not in it."""
    key = {"Authorization": f"Key {KEY}"}
    token = http.post(f"{locked}/rest/storage/auth/token?storage_type=fal-cdn-v3", headers=key).json()
    upload = {"Authorization": f"{token['token_type']} {token['token']}", "Content-Type": "text/plain"}
    url = http.post(f"{locked}/cdn/files/upload", headers=upload, content=b"hello").json()["access_url"]
    other = http.post(f"{locked}/cdn/files/upload", headers=key, content=b"other").json()["access_url"]
    head, signature, file_id, name = url.rsplit("/", 3)
    mixed = f"{head}/{other.rsplit('/', 3)[1]}/{file_id}/{name}"

    assert http.get(url).text == "hello"
    assert KEY not in url
    assert http.get(mixed).status_code == 404
    assert http.get(f"{head}/{signature[::-1]}/{file_id}/{name}").status_code == 404


def test_an_upload_token_opens_nothing_else(locked: str, http: httpx.Client) -> None:
    """It is for files."""
    token = http.post(f"{locked}/rest/storage/auth/token", headers={"Authorization": f"Key {KEY}"}).json()[
        "token"
    ]
    answer = http.post(f"{locked}/run/local/collage", headers={"Authorization": f"Bearer {token}"}, json={})

    assert answer.status_code == 401


def test_another_machine_may_call_by_any_name_with_the_key(locked: str, http: httpx.Client) -> None:
    """A server that is meant to be reached from outside has names that it does not know."""
    headers = {"Host": "lab.example", "Authorization": f"Key {KEY}"}
    ticket = http.post(f"{locked}/queue/local/collage", json={}, headers=headers).json()

    assert ticket["status_url"].startswith("http://lab.example/queue/")


def test_secrets_are_readable_by_their_owner_alone(start: Callable[..., object], tmp_path: Path) -> None:
    """What signs the addresses is not for other users of the machine."""
    start(data_dir=tmp_path / "data")

    assert (tmp_path / "data" / "secret").stat().st_mode & 0o077 == 0
