from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from nbkit.errors import ConfigError
from nbkit.model.endpoint import Endpoint
from nbkit.wire.fal.addresses import Hosts

FAL = Hosts.of_fal({})
LOCAL = Hosts.of_origin("http://127.0.0.1:8188/")
FLUX = Endpoint.parse("fal-ai/flux/dev")


def test_fals_hosts() -> None:
    """Without settings, fal's own hosts are meant."""
    hosts = ("https://fal.run", "https://queue.fal.run", "https://rest.fal.ai", "https://v3.fal.media")
    assert (FAL.run, FAL.queue, FAL.rest, FAL.cdn) == hosts


def test_hosts_from_the_environment() -> None:
    """The variables of fal's own client do here what they do there."""
    assert Hosts.of_fal({"FAL_RUN_HOST": "x:1"}).queue == "https://queue.x:1"
    both = Hosts.of_fal({"FAL_RUN_HOST": "x:1", "FAL_QUEUE_RUN_HOST": "y:2"})
    assert (both.run, both.queue) == ("https://x:1", "https://y:2")


def test_one_origin_has_four_prefixes() -> None:
    """An nbkit server is fal's four hosts in one."""
    at = "http://127.0.0.1:8188"
    assert Hosts(f"{at}/run", f"{at}/queue", f"{at}/rest", f"{at}/cdn") == LOCAL


@pytest.mark.parametrize(
    "base_url",
    [
        "",
        "127.0.0.1:8188",
        "ftp://x",
        "http://",
        "http://[broken",
        "http://a:99999",
        "http://a/?b=c",
        "http://a/#b",
    ],
)
def test_what_is_no_base_url_is_refused(base_url: str) -> None:
    """A wrong address is refused when the client is made, with a right one beside it."""
    with pytest.raises(ConfigError, match=r"http://127\.0\.0\.1:8188"):
        Hosts.of_origin(base_url)


def test_a_password_in_the_base_url_is_refused_and_not_shown() -> None:
    """A key belongs elsewhere, and the message does not repeat it."""
    with pytest.raises(ConfigError) as caught:
        Hosts.of_origin("http://user:SECRET-xyz@host")
    assert "SECRET-xyz" not in str(caught.value)


def test_addresses_of_calls() -> None:
    """Submitting, calling and streaming use the whole id; a request is addressed without its path."""
    assert FAL.submit(FLUX) == "https://queue.fal.run/fal-ai/flux/dev"
    assert FAL.direct(FLUX) == "https://fal.run/fal-ai/flux/dev"
    assert FAL.stream(FLUX) == "https://fal.run/fal-ai/flux/dev/stream"
    assert FAL.stream(Endpoint.parse("a/b/stream")) == "https://fal.run/a/b/stream"
    assert FAL.request(FLUX, "r") == "https://queue.fal.run/fal-ai/flux/requests/r"
    workflow = Endpoint.parse("workflows/ann/sticker/v2")
    assert FAL.request(workflow, "r") == "https://queue.fal.run/workflows/ann/sticker/requests/r"


def test_options_in_the_address() -> None:
    """Webhook and queue length travel in the query, escaped."""
    url = FAL.submit(FLUX, webhook_url="https://me/x?a=1&b=ü", max_queue_length=0)
    query = "fal_webhook=https%3A%2F%2Fme%2Fx%3Fa%3D1%26b%3D%C3%BC&fal_max_queue_length=0"
    assert url == f"https://queue.fal.run/fal-ai/flux/dev?{query}"


@pytest.mark.parametrize(
    "url",
    [
        "https://queue.fal.run/x",
        "https://rest.fal.ai/x",
        "https://v3.fal.media/x",
        "https://other.fal.ai",
        "https://queue.falrun.com/x",
    ],
)
def test_fals_key_goes_to_fal(url: str) -> None:
    """The key may travel to fal's hosts, those of its backup domain too."""
    assert FAL.may_have_key(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://queue.fal.run/x",
        "https://fal.run.evil.com/x",
        "https://evilfal.run/x",
        "https://evil.com/?https://fal.run",
        "https://fal.run@evil.com/",
        "https://evil.com#@fal.run",
        "https://storage.googleapis.com/signed",
        "http://127.0.0.1:8188/x",
        "http://[broken",
        "/relative",
        "",
    ],
)
def test_fals_key_goes_nowhere_else(url: str) -> None:
    """Not in clear text, not to look-alikes, not to where files are put."""
    assert not FAL.may_have_key(url)


@pytest.mark.parametrize(
    "url",
    ["https://fal.run/x", "http://127.0.0.1:8189/x", "http://localhost:8188/x", "https://127.0.0.1:8188"],
)
def test_another_servers_key_stays_there(url: str) -> None:
    """The key of a server is not fal's, nor that of the server at the next port."""
    assert LOCAL.may_have_key("http://127.0.0.1:8188/any")
    assert not LOCAL.may_have_key(url)


@given(st.text())
def test_any_text_can_be_asked(text: str) -> None:
    """An address from outside, whatever it is, gets an answer."""
    FAL.may_have_key(text)
    FAL.serves(text)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://v3.fal.media/x.png", True),
        ("https://example.com/x.png", True),
        ("http://example.com/x.png", False),
        ("https://localhost/x.png", False),
        ("http://127.0.0.1:8188/cdn/x.png", False),
        ("data:image/png;base64,AA", False),
    ],
)
def test_what_fal_can_read(url: str, expected: bool) -> None:  # noqa: FBT001
    """A file on this machine has to be uploaded; one on the web has not."""
    assert FAL.serves(url) is expected
    assert LOCAL.serves("http://127.0.0.1:8188/cdn/x.png")
