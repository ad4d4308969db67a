from __future__ import annotations

from dataclasses import fields, replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings, strategies as st

from nbkit.display.card import Card, html, text
from nbkit.display.figure import Figure
from nbkit.display.markup import folded, preformatted
from nbkit.display.step import Step
from tests.attacks import ATTACKS

if TYPE_CHECKING:
    from tests.display.conftest import Paint

TAGS = {"div", "span", "table", "thead", "tbody", "tr", "th", "td", "details", "summary", "pre", "code"}
TAGS |= {"a", "img", "figure", "figcaption", "video", "audio"}
PLAYER = {"controls", "preload", "width"}
ATTRIBUTES = {
    "a": {"href", "target", "rel"},
    "img": {"src", "alt", "width", "height"},
    "video": PLAYER,
    "audio": PLAYER,
    "div": {"class", "role", "aria-label"},
    "span": {"aria-hidden"},
}


class Inspector(HTMLParser):
    """Collects what a page contains that it must not."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See an element opened."""
        if tag != "img":
            self.open.append(tag)
        if tag not in TAGS:
            self.wrong.append(f"<{tag}>")
        for name, value in attrs:
            self._inspect(tag, name, value or "")

    def _inspect(self, tag: str, name: str, value: str) -> None:
        if name == "style":
            fine = "url(" not in value and "position" not in value
        elif name == "src" and tag == "img":
            fine = value.startswith(("data:image/webp;base64,", "data:image/svg+xml;base64,"))
        elif name == "src":
            fine = value.startswith("nbkit_files/") and not set(value) & set(":\\?#\"'<> \t")
        elif name == "href":
            fine = value.startswith("https://") or not set(value) & set(":\\?#\"'<> \t")
        else:
            fine = name in ATTRIBUTES.get(tag, ())
        if not fine:
            self.wrong.append(f"{tag} {name}={value}")

    def handle_endtag(self, tag: str) -> None:
        """See an element closed."""
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        """See text."""
        self.text += data

    def handle_comment(self, data: str) -> None:
        """See a comment, of which there must be none."""
        self.wrong.append(f"<!--{data}-->")

    def handle_decl(self, decl: str) -> None:
        """See a declaration, of which there must be none."""
        self.wrong.append(f"<!{decl}>")

    def unknown_decl(self, data: str) -> None:
        """See a marked section, of which there must be none."""
        self.wrong.append(f"<![{data}]>")


def inspect(page: str) -> Inspector:
    """Read a page."""
    inspector = Inspector()
    inspector.feed(page)
    inspector.close()
    inspector.wrong += [f"{tag} stays open" for tag in inspector.open]
    return inspector


def filled(kind: type[Any], word: str, **given: Any) -> Any:
    """One of the values with the word in every text field."""
    words = {field.name: word for field in fields(kind) if field.type == "str" and field.name not in given}
    return kind(**words, **given)


def full_card(word: str, picture: Figure) -> Card:
    """A card with the word in every place that can hold text."""
    figures = (
        filled(Figure, word),
        replace(picture, caption=word, name=word, original=word, url=word),
        picture,
    )
    steps = (filled(Step, word, status="completed", figures=figures), filled(Step, word, status="failed"))
    rounds = tuple(
        filled(Step, word, status="completed", index=index, began=float(index), ended=index + 1.0, price=0.1)
        for index in range(8)
    )
    card: Card = filled(
        Card,
        word,
        logs=(word, word * 50),
        steps=(*steps, filled(Step, word, began=0.5), *rounds),
        figures=figures,
        output={word: word, "list": [word, {word: [word]}], "file": {"url": word}, "long": word * 40},
        events=((word, word, word),),
        progress=0.5,
        output_at=1.0,
        waits_until=1e9,
        is_partial=True,
    )
    return card


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_from_outside_becomes_markup(attack: str, paint: Paint) -> None:
    """Whatever stands in a prompt, a log, a name or an answer, a page shows it and never obeys it."""
    page = html(full_card(attack, Figure(paint(), original="nbkit_files/a.png")))

    seen = inspect(page)
    assert seen.wrong == []
    assert "pwned" not in attack or "pwned" in seen.text


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_from_outside_steers_a_terminal(attack: str, paint: Paint) -> None:
    """No escape sequence and no override character reaches a terminal."""
    line = text(full_card(attack, Figure(paint())))

    assert not set(line) & set("\x1b\x07\x00\u202e\ud800")


@given(st.text(st.characters(codec=None), max_size=200))
@settings(max_examples=50)
def test_any_text_stays_text(word: str) -> None:
    """No text at all breaks out of a card."""
    assert inspect(html(full_card(word, Figure()))).wrong == []


def test_the_inspector_sees_what_it_looks_for() -> None:
    """Each kind of attack would be noticed if it came through."""
    for attack in ATTACKS[:3]:
        assert inspect(attack).wrong
    assert inspect('<a href="javascript:x">').wrong
    assert inspect("<div>").wrong
    assert inspect('<img src="data:text/html;base64,">').wrong
    assert inspect('<video src="https://evil.example/a.mp4"></video>').wrong
    assert inspect('<video autoplay="" src="nbkit_files/a.mp4"></video>').wrong
    assert inspect(folded("logs", preformatted("x"))).wrong == []
