"""Pictures that a caller names by their address, and where a server goes to fetch them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from nbkit.server import remote_file
from nbkit.server.field_refused import FieldRefused
from nbkit.server.public_address import public_place
from nbkit.server.remote_file import fetch
from tests.scripted_server import answer
from tests.server.dify.test_dify_files import local, picture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbkit.server.host import Host
    from tests.scripted_server import Exchange, ScriptedServer

KEY = {"authorization": "Key k"}


class Reachable:
    """A server that other machines can reach, called from this one."""

    def __init__(self, host: Host) -> None:
        self.url = f"http://127.0.0.1:{host.url.rsplit(':', 1)[1]}"
        self.http = httpx.Client(
            base_url=f"{self.url}/v1", headers={"authorization": "Bearer app-k-sticker"}, timeout=60
        )

    def sticker(self, picture: dict[str, Any]) -> Any:
        """Run the workflow, and give what it answers."""
        body = {"inputs": {"picture": picture, "scale": 1}, "user": "u1", "response_mode": "blocking"}
        return self.http.post("/workflows/run", json=body).json()


@pytest.fixture
def reachable(start: Callable[..., Host]) -> Iterator[Reachable]:
    """A server that listens on every address."""
    server = Reachable(start(host="0.0.0.0", key="k"))  # noqa: S104 - it has a key
    with server.http:
        yield server


def remote(url: str) -> dict[str, Any]:
    """A picture elsewhere, as an input of Dify names it."""
    return {"type": "image", "transfer_method": "remote_url", "url": url}


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0.0.0.0"],  # noqa: S104
)
def test_a_server_that_others_can_reach_fetches_nothing_from_inside(
    reachable: Reachable, scripted: ScriptedServer, http: httpx.Client, host: str
) -> None:
    """However an address inside is written, neither a workflow nor a model of fal's is a way to it."""
    target = scripted.origin.replace("127.0.0.1", host) + "/secret.png"
    refused = reachable.sticker(remote(target))
    typed = http.post(f"{reachable.url}/run/local/sticker", json={"image_url": target}, headers=KEY)

    assert "not on the public internet" in refused["message"]
    assert typed.status_code == 422
    assert "not on the public internet" in typed.json()["detail"][0]["msg"]
    assert scripted.received == []


@pytest.mark.parametrize("target", ["http://169.254.169.254/latest/meta-data/", "http://10.0.0.1/a.png"])
def test_metadata_services_and_private_networks_are_refused_at_once(
    reachable: Reachable, target: str
) -> None:
    """No connection is tried."""
    assert "not on the public internet" in reachable.sticker(remote(target))["message"]


def test_its_own_files_are_still_taken(reachable: Reachable) -> None:
    """An address that the server signed a moment ago is read from its disk, though it is one of this machine."""
    uploaded = upload_to(reachable)
    told = reachable.sticker(local(uploaded))["data"]["outputs"]["sticker"]
    again = reachable.sticker(remote(told["url"]))
    forged = reachable.sticker(remote(told["url"].replace("sign=", "sign=x")))

    assert told["url"].startswith(reachable.url)
    assert again["data"]["status"] == "succeeded"
    assert "not on the public internet" in forged["message"]


def upload_to(reachable: Reachable) -> str:
    """The id of a picture that was uploaded."""
    files = {"file": ("ball.png", picture(), "image/png")}
    file_id: str = reachable.http.post("/files/upload", files=files, data={"user": "u1"}).json()["id"]
    return file_id


async def test_a_redirect_does_not_lead_inside_either(
    scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each address on the way is judged: a public one that redirects inside is not followed there."""

    async def public_at_first(url: str) -> tuple[str, dict[str, str]]:
        return (url, {}) if url.endswith("/first") else await public_place(url)

    monkeypatch.setattr(remote_file, "public_place", public_at_first)
    scripted.on("GET", "/first", answer(status=302, headers={"location": f"{scripted.origin}/secret.png"}))
    with pytest.raises(FieldRefused, match="not on the public internet"):
        await fetch(f"{scripted.origin}/first", "url", public_only=True)

    assert [it.path for it in scripted.received] == ["/first"]


async def test_a_name_is_asked_at_the_very_address_that_was_judged(
    scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that leads elsewhere a moment later gains nothing: it is looked up once, and sent along as the host."""

    async def judged(_url: str) -> tuple[str, dict[str, str]]:
        return f"{scripted.origin}/a.png", {}

    monkeypatch.setattr(remote_file, "public_place", judged)
    scripted.on("GET", "/a.png", answer(body=b"seen", headers={"content-type": "image/png"}))

    assert await fetch("http://pictures.invalid/a.png", "url", public_only=True) == (b"seen", "image/png")
    assert scripted.received[0].headers["host"] == "pictures.invalid"


async def test_a_server_that_drips_its_head_is_given_up(
    scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bound on the time holds from the first byte to the last, not for the body alone."""
    monkeypatch.setattr(remote_file, "FETCH_SECONDS", 0.5)

    def drip(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\n")
        while not exchange.server.closing.wait(0.05):
            exchange.send(b"x: y\r\n")

    scripted.on("GET", "/slow.png", drip)
    with pytest.raises(FieldRefused, match="took longer than"):
        await fetch(f"{scripted.origin}/slow.png", "url", public_only=False)
