from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, strategies as st

from nbkit.errors import StreamBroken
from nbkit.wire.sse import KEEP_ALIVE, Decoder, ServerEvent, encode

JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
RECORDED = (
    '\ufeff: ping\r\n\r\nevent: event\r\ndata: {"partial": true, "text": "Füße\u2028 und 😀"}\r\n\r\n'
    "data: one\rdata:  two\r\rid: 7\nretry: 1_000\nunknown: x\ndata\ndata:\n\n: late\n\n"
    "event: only\n\ndata: last\n\ndata: unfinished"
).encode()
WHOLE = [
    ServerEvent('{"partial": true, "text": "Füße\u2028 und 😀"}', "event"),
    ServerEvent("one\n two"),
    ServerEvent("\n", id="7"),
    ServerEvent("last", id="7"),
]


def decoded(*chunks: bytes) -> list[ServerEvent]:
    """Feed chunks to a fresh decoder."""
    decoder = Decoder()
    return [event for chunk in chunks for event in decoder.feed(chunk)]


def test_whatwg_example_1_stock_ticker() -> None:
    """The standard's first example: three lines of data are one event."""
    assert decoded(b"data: YHOO\ndata: +2\ndata: 10\n\n") == [ServerEvent("YHOO\n+2\n10")]


def test_whatwg_example_2_four_blocks() -> None:
    """The standard's second example: a comment, an id, an id taken back, and one space that is kept."""
    sent = b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n"
    assert decoded(sent) == [
        ServerEvent("first event", id="1"),
        ServerEvent("second event"),
        ServerEvent(" third event"),
    ]


def test_whatwg_example_3_empty_data() -> None:
    """The standard's third example: empty data is data, and the last block is dropped without its blank line."""
    assert decoded(b"data\n\ndata\ndata\n\ndata:") == [ServerEvent(""), ServerEvent("\n")]


def test_whatwg_example_4_space_after_colon() -> None:
    """The standard's fourth example: one space after the colon does not count."""
    assert decoded(b"data:test\n\ndata: test\n\n") == [ServerEvent("test"), ServerEvent("test")]


def test_whatwg_event_types() -> None:
    """A type holds for one event, and an event without data is none."""
    sent = b"event: add\ndata: 1\n\nevent: add\n\ndata: 2\n\n"
    assert decoded(sent) == [ServerEvent("1", "add"), ServerEvent("2")]


def test_the_recording_at_once() -> None:
    """A stream with all line ends, a byte order mark, comments and odd fields gives its events."""
    assert decoded(RECORDED) == WHOLE


@pytest.mark.parametrize("cut", range(len(RECORDED) + 1))
def test_the_recording_cut_anywhere(cut: int) -> None:
    """Where the network cuts the stream makes no difference."""
    assert decoded(RECORDED[:cut], RECORDED[cut:]) == WHOLE


def test_the_recording_byte_by_byte() -> None:
    """A stream may come one byte at a time, with empty chunks between."""
    chunks = [RECORDED[at : at + 1] for at in range(len(RECORDED))]
    assert decoded(*(piece for chunk in chunks for piece in (chunk, b""))) == WHOLE


@given(st.lists(st.binary()))
def test_any_bytes_cut_anyhow(chunks: list[bytes]) -> None:
    """Garbage makes no error, and its cuts make no difference."""
    assert decoded(*chunks) == decoded(b"".join(chunks))


@given(
    st.lists(
        st.sampled_from([b"\r", b"\n", b"data:x", b"data", b":", b"id:1", b"event:e", b" ", b"\xef\xbb\xbf"])
    )
)
def test_any_lines_cut_anyhow(chunks: list[bytes]) -> None:
    """Lines in any order with any ends are read alike, however they arrive."""
    assert decoded(*chunks) == decoded(b"".join(chunks))


@pytest.mark.parametrize("sign", ["\u2028", "\u2029", "\x0b", "\x0c", "\x1c", "\x85"])
def test_only_cr_and_lf_end_lines(sign: str) -> None:
    """What Python's own line splitting takes for an end is text."""
    assert decoded(f"data: a{sign}b\n\n".encode()) == [ServerEvent(f"a{sign}b")]


def test_a_mark_is_text_except_at_the_start() -> None:
    """One byte order mark at the very start is no part of the first line; later ones are."""
    mark = b"\xef\xbb\xbf"
    assert decoded(mark[:1], mark[1:] + b"data: a\n\n" + mark + b"data: b\n\ndata: c\n\n") == [
        ServerEvent("a"),
        ServerEvent("c"),
    ]


def test_broken_text_is_replaced() -> None:
    """Bytes that are no text do not end the stream."""
    assert decoded(b"data: \xff\xfe\n\n") == [ServerEvent("\ufffd\ufffd")]


def test_an_id_with_a_null_is_ignored() -> None:
    """As the standard says."""
    assert decoded(b"id: 1\ndata: a\n\nid: 2\x00\ndata: b\n\n") == [
        ServerEvent("a", id="1"),
        ServerEvent("b", id="1"),
    ]


@pytest.mark.parametrize(
    ("sent", "unfinished"),
    [(b"", False), (b"data: x\n\n", False), (b"data: x\n", True), (b"dat", True), (b": c\n\n", False)],
)
def test_a_cut_stream_is_noticed(sent: bytes, unfinished: bool) -> None:  # noqa: FBT001
    """What was begun and not ended is told from what was not begun."""
    decoder = Decoder()
    decoder.feed(sent)

    assert decoder.unfinished is unfinished


def test_an_event_may_be_as_large_as_the_limit_in_any_chunks() -> None:
    """The limit counts each byte once, however it arrives."""
    decoder = Decoder(max_event_bytes=1000)
    sent = b"data: " + b"x" * 900 + b"\n\n"
    for at in range(0, len(sent), 10):
        decoder.feed(sent[at : at + 10])
    assert not decoder.unfinished
    assert len(decoder.feed(sent * 5)) == 5


@pytest.mark.parametrize(
    "piece", [b"x" * 100, b"data: " + b"x" * 94 + b"\n", b"data\n" * 20, b"data:\r" * 20]
)
def test_an_event_without_end_is_given_up(piece: bytes) -> None:
    """A stream that never ends an event does not fill the memory."""
    decoder = Decoder(max_event_bytes=1000)
    with pytest.raises(StreamBroken, match="larger than"):
        list(map(decoder.feed, [piece] * 100))


def test_time_is_linear() -> None:
    """Sixteen times the data, in small chunks, takes about sixteen times as long, not 256 times."""

    def seconds(size: int) -> float:
        sent = b"data: " + b"x" * size + b"\n\n"
        best = 9.0
        for _ in range(3):
            decoder = Decoder()
            began = time.perf_counter()
            for at in range(0, len(sent), 512):
                decoder.feed(sent[at : at + 512])
            best = min(best, time.perf_counter() - began)
        return best

    assert seconds(4_000_000) / seconds(250_000) < 64


@given(st.lists(JSON, min_size=1, max_size=4), st.sampled_from(["", "event", "output"]))
def test_what_is_written_is_read(values: list[object], event: str) -> None:
    """Any JSON comes back as it was, from plain ASCII bytes, keep-alives between."""
    sent = KEEP_ALIVE.join(encode(value, event=event) for value in values)
    sent.decode("ascii")

    assert [json.loads(it.data) for it in decoded(sent)] == values
    assert {it.event for it in decoded(sent)} == {event or "message"}


def test_nan_is_not_written() -> None:
    """What is no JSON is not sent."""
    with pytest.raises(ValueError, match="Out of range"):
        encode({"a": float("nan")})
