from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, strategies as st

from nbkit.server.printed import LONGEST_LINE, MOST_CHARACTERS, MOST_LINES, Lines, RequestLog

if TYPE_CHECKING:
    from nbkit.server.frames import Message


@given(
    st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([b"\n", b"\r", b"a" * 30_000])), max_size=20)
)
def test_whatever_is_printed_becomes_lines_within_bounds(pieces: list[bytes]) -> None:
    """Any bytes, cut anywhere: no line is too long, too many or of no text, and nothing but control is lost."""
    said: list[Message] = []
    log = RequestLog(said.append)
    for piece in pieces:
        log.feed(piece)
    log.end()

    assert len(said) <= MOST_LINES + 1
    assert sum(len(it["log"]) for it in said) <= MOST_CHARACTERS + 100
    assert all(it["log"].strip() and len(it["log"]) <= LONGEST_LINE for it in said)
    assert all("\n" not in it["log"] for it in said)
    whole = b"".join(pieces).decode("utf-8", "replace")
    if "\r" not in whole and len(whole) < LONGEST_LINE:
        assert [it["log"] for it in said] == [line for line in whole.split("\n") if line.strip()]


@given(st.text("ab\n", max_size=60), st.integers(1, 7))
def test_it_does_not_matter_how_text_comes_in_pieces(text: str, size: int) -> None:
    """Lines are those of the whole."""
    lines = Lines()
    found = [line for start in range(0, len(text), size) for line in lines.feed(text[start : start + size])]

    assert [*found, *lines.rest()] == [line for line in text.split("\n") if line]


def test_a_progress_bar_is_its_last_state() -> None:
    """As a terminal shows it; what ends with both signs is a line like others."""
    lines = Lines()
    found = [
        line for piece in ("\r10%", "\r20%\r", "30%", "\r\ndone\r\n", "next") for line in lines.feed(piece)
    ]

    assert [*found, *lines.rest()] == ["30%", "done", "next"]


def test_what_is_left_out_is_counted() -> None:
    """The last line says how much; after a gap nothing more is told."""
    said: list[Message] = []
    log = RequestLog(said.append)
    for number in range(MOST_LINES + 500):
        log.take({"log": f"line {number}", "level": "INFO"})
    log.feed(b"x" * 200_000 + b"\n")
    log.end()

    assert said[-2]["log"] == f"line {MOST_LINES - 1}"
    assert said[-1] == {"log": "0.2 MB more were printed or logged, and are left out", "level": "WARN"}
