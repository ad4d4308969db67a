from __future__ import annotations

import contextvars
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from nbkit.client.run import Run
from nbkit.display import slot
from nbkit.display.card import Card
from nbkit.display.step import Step
from nbkit.errors import RunFailed
from nbkit.model.endpoint import Endpoint
from nbkit.model.event import Log, Output, Queued, Started
from nbkit.model.media import Media
from nbkit.model.result import Result
from nbkit.widgets import live
from nbkit.widgets.live import LiveCard, follow
from nbkit.widgets.panel import Panel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Outputs(slot.Slot):
    """Remembers what a cell's output showed, and from which thread."""

    written: list[tuple[str, Any, threading.Thread]]
    facts: dict[str, Any] | None = None

    def __init__(self) -> None:
        super().__init__()
        Outputs.written = []

    def fill(self, thing: object) -> None:
        """Remember what is shown first."""
        Outputs.written.append(("fill", thing, threading.current_thread()))

    def end(self, bundle: dict[str, Any], metadata: dict[str, Any] | None = None) -> None:
        """Remember what stays."""
        Outputs.written.append(("end", bundle, threading.current_thread()))
        Outputs.facts = metadata


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> type[Outputs]:
    """A notebook whose outputs are remembered."""
    monkeypatch.setattr(live, "Slot", Outputs)
    monkeypatch.setattr(live, "in_notebook", lambda: True)
    monkeypatch.setattr(live, "hears_clicks_while_blocked", lambda: True)
    return Outputs


@pytest.fixture
def picture(tmp_path: Path) -> Media:
    """A picture that was downloaded."""
    path = tmp_path / "a.png"
    Image.new("RGB", (64, 48)).save(path)
    return Media("http://x/a.png", "image/png", path=path)


def new_run() -> Run:
    """A run that only its test moves."""
    return Run(Endpoint.parse("local/collage"), {"prompt": "a cat"})


def in_thread(work: Callable[[], None]) -> threading.Thread:
    """Do something beside the test."""
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether something becomes true within five seconds."""
    deadline = time.monotonic() + 5
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def ended(outputs: type[Outputs]) -> list[dict[str, Any]]:
    """The bundles that stayed."""
    return [thing for what, thing, _ in outputs.written if what == "end"]


def test_a_blocking_cell_ends_with_a_static_card_from_its_own_thread(
    notebook: type[Outputs], picture: Media
) -> None:
    """While it runs there are widgets; in the end one static card, written by the cell itself."""
    run = new_run()

    def work() -> None:
        run._accept("request-1", "")
        run._publish(Queued(1))
        run._publish(Started())
        run._publish(Log("working"))
        time.sleep(0.3)
        run._settle(Result({"seed": 4}, media=(picture,)))

    thread = in_thread(work)
    result = follow(run)
    thread.join()

    assert result is run.result()
    assert [what for what, _, _ in notebook.written] == ["fill", "end"]
    assert "application/vnd.jupyter.widget-view+json" in notebook.written[0][1]._repr_mimebundle_()
    _, bundle, writer = notebook.written[1]
    assert writer is threading.current_thread()
    assert bundle.keys() == {"text/plain", "text/html"}
    assert "succeeded" in bundle["text/plain"]
    assert "<img" in bundle["text/html"]


def test_a_background_card_ends_by_itself(notebook: type[Outputs]) -> None:
    """A background cell returns at once and its card is replaced when the run is over."""
    run = new_run()
    card = LiveCard(run, background=True)
    card.open()
    assert ended(notebook) == []

    run._settle(Result({"seed": 4}))

    card.join()
    assert "seed  4" in ended(notebook)[0]["text/plain"]


def test_a_background_card_carries_its_error(notebook: type[Outputs]) -> None:
    """No cell raises what happens in the background, so the card tells it."""
    run = new_run()
    LiveCard(run, background=True).open()
    run._settle(None, RunFailed("the prompt was refused"))

    assert eventually(lambda: len(ended(notebook)) == 1)
    assert "the prompt was refused" in ended(notebook)[0]["text/plain"]


def test_a_failed_cell_tells_its_error_once(notebook: type[Outputs]) -> None:
    """The card of a failed cell shows the state and the logs; the message is the cell's error."""
    run = new_run()
    run._publish(Log("loading"))
    run._settle(None, RunFailed("the prompt was refused"))

    with pytest.raises(RunFailed):
        follow(run)

    page = ended(notebook)[0]["text/html"]
    assert "failed" in page
    assert "loading" in page
    assert "refused" not in page


def test_progress_can_be_switched_off(notebook: type[Outputs], monkeypatch: pytest.MonkeyPatch) -> None:
    """With `NBKIT_PROGRESS=0` only the end is shown."""
    monkeypatch.setenv("NBKIT_PROGRESS", "0")
    run = new_run()
    run._settle(Result({}))
    follow(run)

    assert [what for what, _, _ in notebook.written] == ["end"]


def test_a_terminal_gets_one_moving_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a terminal one line moves and disappears, then the card is printed as text."""
    monkeypatch.setattr(live, "Slot", Outputs)
    monkeypatch.setattr(live, "in_notebook", lambda: False)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    run = new_run()
    timer = threading.Timer(0.2, run._settle, [Result({})])
    timer.start()
    follow(run)

    written = capsys.readouterr().err
    assert "\r\x1b[K○  local/collage  submitting" in written
    assert written.endswith("\r\x1b[K")
    assert "\n" not in written


def test_cancel_reaches_the_run_and_shows_at_once(
    notebook: type[Outputs], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The button asks the service to stop, does not wait, and the state says so."""
    panels: list[Panel] = []
    make = Panel

    def remembered(*given: Any, **options: Any) -> Panel:
        panels.append(make(*given, **options))
        return panels[-1]

    monkeypatch.setattr(live, "Panel", remembered)
    run = new_run()
    asked = threading.Event()
    run.cancel = asked.set  # type: ignore[method-assign]
    LiveCard(run, background=True).open()
    panel = panels[0]
    panel._button.click()

    assert asked.is_set()
    assert eventually(lambda: "cancelling" in panel._head.value)
    run._settle(None, RunFailed("cancelled"))
    assert eventually(lambda: len(ended(notebook)) == 1)


@pytest.mark.usefixtures("notebook")
def test_fast_events_are_painted_a_few_times_and_the_last_one_surely(
    picture: Media, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten thousand events do not flood the browser: text at most ten times a second, pictures at most five."""
    times: dict[str, list[float]] = {"write": [], "show_pictures": []}
    last: list[Card] = []
    for name, calls in times.items():
        original = getattr(Panel, name)

        def timed(panel: Panel, card: Card, original: Any = original, calls: list[float] = calls) -> None:
            calls.append(time.monotonic())
            last.append(card)
            original(panel, card)

        monkeypatch.setattr(Panel, name, timed)
    run = new_run()

    def work() -> None:
        for number in range(10_000):
            run._publish(Log(str(number)) if number % 10 else Output({}, media=(picture,)))
        time.sleep(0.7)
        run._settle(Result({}))

    thread = in_thread(work)
    follow(run)
    thread.join()

    for name, gap in (("write", 0.095), ("show_pictures", 0.195)):
        gaps = [later - earlier for earlier, later in zip(times[name], times[name][1:], strict=False)]
        assert min(gaps, default=gap) >= gap
    assert len(last[-1].logs) == 9_000


@pytest.mark.usefixtures("notebook")
def test_late_words_need_no_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the cell has ended its card is written without claiming to be that cell."""
    cell = contextvars.ContextVar("cell", default="none")
    cell.set("the cell")
    seen: list[str] = []
    monkeypatch.setattr(Outputs, "end", lambda *_: seen.append(cell.get()))
    run = new_run()
    LiveCard(run, background=True).open()
    run._settle(Result({}))

    assert eventually(lambda: seen == ["none"])


@pytest.mark.usefixtures("notebook")
def test_where_a_cell_must_be_named_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels that cannot write without knowing the cell get the one that began it."""
    cell: contextvars.ContextVar[str] = contextvars.ContextVar("cell")
    cell.set("the cell")
    seen: list[str] = []
    monkeypatch.setattr(Outputs, "end", lambda *_: seen.append(cell.get()))
    run = new_run()
    LiveCard(run, background=True).open()
    run._settle(Result({}))

    assert eventually(lambda: seen == ["the cell"])


def test_an_interrupt_leaves_a_static_card(notebook: type[Outputs], monkeypatch: pytest.MonkeyPatch) -> None:
    """■ ends the wait, and what is left is static."""
    run = new_run()

    def interrupt(*_: object) -> Result:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "result", interrupt)
    with suppress(KeyboardInterrupt):
        follow(run)

    assert len(ended(notebook)) == 1


def test_closed_widgets_keep_no_pictures(picture: Media) -> None:
    """What a client without a screen saves of the widgets is next to nothing."""
    panel = Panel(lambda: None)
    panel.show_pictures(Card("a/b", figures=(picture.figure(),)))
    widget = panel.widget.children[3].children[0]
    assert bytes(widget.value).startswith(b"\xff\xd8")
    assert (widget.width, widget.height) == ("64", "48")

    panel.close()

    assert bytes(widget.value) == b""


def test_a_running_step_grows_in_place() -> None:
    """While a workflow runs, its timeline changes with the clock, and its table only with its steps."""
    panel = Panel(lambda: None)
    card = Card("a/b", "running", seconds=1.0, steps=(Step("draw", began=0.5),))
    timeline, table = panel.widget.children[1:3]

    panel.write(card)
    before = timeline.value, table.value
    panel.write(replace(card, seconds=2.0))

    assert "draw" in timeline.value
    assert timeline.value != before[0]
    assert table.value == before[1]


def test_a_deaf_kernel_gets_advice_instead_of_a_button() -> None:
    """Where clicks cannot arrive while the cell runs, the panel says what stops it."""
    import ipywidgets

    assert isinstance(Panel(lambda: None).widget.children[-1], ipywidgets.Button)
    assert "interrupt" in Panel(lambda: None, clickable=False).widget.children[-1].value
