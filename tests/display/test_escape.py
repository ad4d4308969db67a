from __future__ import annotations

import json

import pytest
from hypothesis import given, strategies as st

from nbkit.display.escape import beside, clean, escape, link


@given(st.text(st.characters(codec=None)))
def test_any_text_becomes_harmless(text: str) -> None:
    """Whatever a service sends, no tag, quote, control or override character comes through."""
    shown = escape(text)

    assert not set(shown) & set("<>\"'\x00\x1b\x7f\u202e\u2067\ud800")
    json.dumps(shown, ensure_ascii=False).encode("utf-8")


@given(st.text(st.characters(categories=["L", "N", "So", "Zs"])))
def test_words_in_any_script_stay_as_they_are(text: str) -> None:
    """Letters, numbers and emoji of every script are shown unchanged."""
    assert clean(text) == text


def test_joined_emoji_stay_joined() -> None:
    """A family of four stays one emoji."""
    assert clean("👨\u200d👩\u200d👧\u200d👦") == "👨\u200d👩\u200d👧\u200d👦"


@pytest.mark.parametrize(
    "url",
    ["https://v3.fal.media/files/a/b.png", "http://127.0.0.1:8188/cdn/x", "https://example.com/夕日.png"],
)
def test_web_addresses_can_be_followed(url: str) -> None:
    """Links to the web work."""
    assert link(url) == url


def test_files_beside_the_notebook_can_be_followed() -> None:
    """Links to files below the notebook's folder work, and only those."""
    assert beside("nbkit_files/a%20b.png") == "nbkit_files/a%20b.png"
    for path in (
        "",
        "/etc/passwd",
        "../a.png",
        "a/../../b",
        "//evil.example",
        "javascript:x",
        "a?b",
        "a b",
        "<b>",
    ):
        assert beside(path) == ""


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nbkit_files/a.png",
        "/lab/tree/x",
        'https://example.com/"onmouseover=x',
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java\tscript:alert(1)",
        "\x01javascript:alert(1)",
        " javascript:alert(1)",
        "data:text/html,<script>",
        "vbscript:x",
        "file:///etc/passwd",
        "//evil.example/x",
        "\\\\evil.example\\x",
        "https:///nowhere",
        "https://user:secret@example.com/",
        "https://example.com/file?signature=secret",
        "https://[broken/",
        "blob:https://example.com/1",
    ],
)
def test_other_addresses_are_no_links(url: str) -> None:
    """Nothing that could run, leave the web, or give away a signature is made a link."""
    assert link(url) == ""
