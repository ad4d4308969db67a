from __future__ import annotations

import re

from nbkit.display import timeline
from nbkit.display.outline import Span, outline
from nbkit.display.step import Step

DONE = Step("a", "completed", began=0.0, ended=4.0, seconds=4.0, title="Draw")


def pieces(page: str) -> list[tuple[float, float]]:
    """Where each piece of a bar begins after the one before it, and how wide it is, in percent."""
    found = re.findall(r'style="(?:margin-left:([\d.]+)%;)?width:([\d.]+)%', page)
    return [(float(before or 0), float(width)) for before, width in found]


def test_bars_stand_on_one_axis() -> None:
    """Steps that ran at the same time are above each other; the axis ends with the run."""
    other = Step("b", "completed", began=2.0, ended=6.0, seconds=4.0)
    page = timeline.html(outline([DONE, other], 8.0))

    assert pieces(page) == [(0, 50), (25, 50)]
    assert re.findall(r">([\d.]+ s)<", page) == ["0 s", "4.0 s", "8.0 s"]


def test_waiting_is_lighter_than_work() -> None:
    """A step that waited in a queue has a light piece before the full one."""
    page = timeline.html(outline([Step("a", "completed", began=0.0, ended=8.0, seconds=2.0)], 8.0))

    assert pieces(page) == [(0, 75), (0, 25)]
    light, full = re.findall(r"background:(#[0-9a-f]{6,8})\"", page)
    assert light.startswith(full)
    assert len(light) > len(full)


def test_a_running_step_grows() -> None:
    """The bar of a step that goes on ends now."""
    step = Step("a", began=1.0)

    assert pieces(timeline.html(outline([step], 2.0))) == [(50, 50)]
    assert pieces(timeline.html(outline([step], 4.0))) == [(25, 75)]


def test_trouble_shows_without_colours() -> None:
    """A step that failed has a mark before its name and a hatched bar; one that went well has neither."""
    failed = timeline.html(outline([Step("a", "failed", began=0.0, ended=1.0)], 1.0))
    fine = timeline.html(outline([DONE], 4.0))

    assert "✕" in failed
    assert "repeating-linear-gradient" in failed
    assert "✕" not in fine
    assert "gradient" not in fine


def test_a_screen_reader_hears_what_it_is() -> None:
    """The picture has a text of its own that leads to the table."""
    page = timeline.html(outline([DONE], 4.0))

    assert 'role="img"' in page
    assert 'aria-label="timeline of 1 step in 4.0 s; the table below has its numbers"' in page


def test_what_took_no_time_can_be_seen() -> None:
    """A step of a millisecond in an hour has a visible bar, also at the very end, and nothing leaves the axis."""
    blink = [Step("a", "completed", began=at, ended=at, seconds=0.0) for at in (0.0, 3600.0)]

    assert pieces(timeline.html(outline(blink, 3600.0))) == [(0, 0.5), (99.5, 0.5)]


def test_nothing_is_drawn_of_nothing() -> None:
    """Without steps, and before time has passed, there is no timeline."""
    assert not timeline.html(outline([], 5.0))
    assert not timeline.html(outline([Step("a", began=0.0)], 0.0))


def test_a_bar_for_a_terminal() -> None:
    """Dots where nothing was, light while it waited, full while it worked; every bar is as wide."""
    assert timeline.bar([Span(0, 12, 24, "completed")], 24) == "░" * 12 + "█" * 12
    assert timeline.bar([Span(6, 6, 12, "failed")], 24) == "·" * 6 + "█" * 6 + "·" * 12
    assert timeline.bar([Span(12, 24, 24, "waiting")], 24) == "·" * 12 + "░" * 12
    assert timeline.bar([Span(24, 24, 24, "completed")], 24) == "·" * 23 + "█"
    assert timeline.bar([Span(0, 0, 0, "completed")], 0) == "·" * 24
