from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from nbkit.model.address import is_loopback, origin, shown


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://queue.fal.run/a/b?x=1", "https://queue.fal.run"),
        ("HTTPS://User:Pass@Fal.RUN:8443/x", "https://fal.run:8443"),
        ("http://[::1]:80/x", "http://[::1]:80"),
        ("http://a:99999/", ""),
        ("http://[broken", ""),
        ("/files/x", ""),
        ("x", ""),
        ("data:image/png;base64,AA", ""),
        ("", ""),
    ],
)
def test_origin(url: str, expected: str) -> None:
    """The origin is scheme, host and port, and what has none of them has no origin."""
    assert origin(url) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://me:SECRET@fal.run/a/b?fal_jwt_token=SECRET#SECRET", "https://fal.run/a/b"),
        ("data:image/png;base64," + "A" * 10_000, "data:image/png;base64," + "A" * 18),
        ("no address", "no address"),
    ],
)
def test_shown(url: str, expected: str) -> None:
    """People see where an address leads, without what is secret in it."""
    assert shown(url) == expected


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/x", "http://localhost", "http://a.localhost/", "http://[::1]/"]
)
def test_this_machine(url: str) -> None:
    """Loopback addresses are on this machine."""
    assert is_loopback(url)


@pytest.mark.parametrize(
    "url", ["https://fal.run", "http://127.0.0.1.evil.com", "http://[broken", "localhost", ""]
)
def test_other_machines(url: str) -> None:
    """Everything else is not, whatever it looks like."""
    assert not is_loopback(url)


@given(st.text())
def test_any_text_can_be_asked(text: str) -> None:
    """No text makes these fail, and none is shown at length."""
    origin(text)
    is_loopback(text)
    assert len(shown(text)) < 1000 + len(origin(text))
