from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from nbkit.client.client import Client
from nbkit.client.run import Run
from nbkit.errors import InputError
from nbkit.magics.form import form, write_cell
from nbkit.model.endpoint import Endpoint
from nbkit.model.price import Price
from nbkit.model.schema import Schema
from nbkit.widgets.controls import each
from nbkit.widgets.form import Form
from nbkit.wire.dify.parameters import read_parameters
from tests.attacks import ATTACKS
from tests.display.test_injection import inspect
from tests.widgets.test_live import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.widgets.conftest import MakeResult

SCHEMA = Schema(
    "local/collage",
    "Collage",
    {
        "type": "object",
        "required": ["prompt"],
        "properties": {
            "prompt": {"type": "string", "description": "What to draw"},
            "num_images": {"type": "integer", "minimum": 1, "maximum": 8},
            "seed": {"type": "integer"},
            "image_url": {"type": "string"},
        },
    },
)


class Caller(Client):
    """Keeps what it is asked to send; its runs are moved by the test."""

    def __init__(self) -> None:
        super().__init__("local")
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.runs: list[Run] = []

    def submit(self, endpoint: str, input: Any, **_options: Any) -> Run:  # noqa: A002
        """Remember a request."""
        self.sent.append((endpoint, dict(input)))
        self.runs.append(Run(Endpoint.parse(endpoint), input))
        return self.runs[-1]

    def price(self, endpoint: str) -> Price | None:
        """Tell a price."""
        return Price(endpoint, 0.025, "megapixels", "USD")


@pytest.fixture
def made() -> Form:
    """A form for a small endpoint."""
    return Form(SCHEMA, Caller(), write_cell)


def ids(shown: Form) -> dict[str, str]:
    """The ids of the controls by where their values stand."""
    return {control.place: control.id for control in each(shown._controls)}


def enter(shown: Form, **answers: Any) -> None:
    """What a browser says when somebody types."""
    names = ids(shown)
    entered = {names[place]: answer for place, answer in answers.items()}
    shown.set_state({"answers_given": {**shown.answers_given, **entered}})


def click(shown: Form, kind: str, buffers: Any = (), **content: Any) -> None:
    """What a browser says when somebody clicks."""
    shown._handle_custom_msg({"kind": kind, **content}, buffers)


def sent_by(shown: Form) -> list[tuple[str, dict[str, Any]]]:
    """What the form's client was asked to send."""
    client = shown._client
    assert isinstance(client, Caller)
    return client.sent


def test_what_is_wrong_is_told_at_its_field(made: Form) -> None:
    """A missing prompt and a number out of range are marked where they stand, and nothing is sent."""
    enter(made, num_images="99")
    click(made, "run")

    certain = made.problems["certain"]
    assert certain[ids(made)["prompt"]] == '"prompt" is missing: local/collage needs it'
    assert "more than 8" in certain[ids(made)["num_images"]]
    assert "is missing" in made.status
    assert sent_by(made) == []
    enter(made, prompt="a cat", num_images="2")
    assert made.problems == {"certain": {}, "doubtful": {}}
    assert made.status == ""


def test_running_sends_what_was_entered_once(made: Form, make_result: MakeResult) -> None:
    """A second click while a run goes on sends nothing; the result is kept, and the form says how it ended."""
    answers = []
    made.send = lambda content, _buffers=None: answers.append(content)
    enter(made, prompt="a cat", seed="7")
    click(made, "run")
    click(made, "run")

    assert answers == [{"kind": "asked"}] * 2  # until then the browser takes no other click

    assert sent_by(made) == [("local/collage", {"prompt": "a cat", "seed": 7})]
    assert "not over" in made.status
    assert made.run is not None
    made.run._settle(make_result(7))
    assert made.status == "succeeded"
    assert made.result.seed == 7
    made.submit()
    assert len(sent_by(made)) == 2


def test_the_cell_follows_what_is_entered(made: Form) -> None:
    """The text to copy is the cell that sends the same."""
    enter(made, prompt="a cat {{x}}", num_images="2")

    assert made.cell == "%%generate local/collage -p num_images=2\na cat \\{{x}}"


def test_a_form_can_be_filled_by_python(made: Form) -> None:
    """Earlier inputs come back by their names; a name that the endpoint lacks is told."""
    made.fill(prompt="a dog", num_images=3)

    assert made.input == {"prompt": "a dog", "num_images": 3}
    with pytest.raises(InputError, match="has no input promt"):
        made.fill(promt="a dog")


def test_submitting_says_what_is_missing(made: Form) -> None:
    """From Python the same faults are an error, and a result before the first run is one, too."""
    with pytest.raises(InputError, match='"prompt" is missing'):
        made.submit()
    with pytest.raises(InputError, match="nothing was run"):
        _ = made.result


def test_a_file_arrives_in_pieces(made: Form, tmp_path: Path) -> None:
    """Dropped files become paths in the input, under their kind, and can be taken away again."""
    name = ids(made)["image_url"]
    click(made, "file", [memoryview(b"GIF8")], id=name, token="t", name="a.gif")
    assert made.files == {}
    click(made, "file", [memoryview(b"9a")], id=name, token="t", name="a.gif", last=True)

    path = made.input["image_url"]
    assert (path.read_bytes(), path.suffix, made.files) == (b"GIF89a", ".gif", {name: 1})
    assert str(path) in made.cell
    assert not list((tmp_path / "home" / "files").glob(".incoming-*"))
    click(made, "forget", id=name)
    assert "image_url" not in made.input


@pytest.mark.parametrize(
    "message",
    [{}, {"id": "c99"}, {"id": 7, "token": "t"}, {"id": "c0", "token": "t"}, {"id": [], "token": {}}],
)
def test_a_browser_may_say_anything(made: Form, message: dict[str, Any]) -> None:
    """Files for no field, and messages without sense, are left alone."""
    for kind in ("file", "forget", "cancel", "nonsense"):
        click(made, kind, [b"x"], **message)
    assert made.input == {}


def test_a_file_too_large_is_refused(made: Form, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The form says how much it takes, and keeps nothing of it."""
    monkeypatch.setattr("nbkit.widgets.form._MOST_BYTES", 3)
    click(made, "file", [b"four"], id=ids(made)["image_url"], token="t", name="a.png", last=True)

    assert "takes files up to" in made.status
    assert made.input == {}
    assert not list((tmp_path / "home" / "files").glob(".incoming-*"))


def test_the_price_is_shown_when_it_is_known() -> None:
    """Asking for it holds nobody up."""

    class Known(Caller):
        def schema(self, endpoint: str) -> Schema:
            assert endpoint == "local/collage"
            return SCHEMA

    shown = form("local/collage", Known())

    assert eventually(lambda: shown.price == "0.025 USD for each of its megapixels")


def test_the_static_form_says_what_was_entered(made: Form) -> None:
    """What is saved is a table of the inputs and the cell, and refers to no widget."""
    made.fill(prompt="a cat")
    bundle, _ = made._repr_mimebundle_()

    assert bundle.keys() == {"text/plain", "text/html"}
    assert "a cat" in bundle["text/plain"]
    assert "%%generate local/collage" in bundle["text/html"]


def test_a_form_of_dify_has_its_own_controls() -> None:
    """The inputs that a workflow's author made become controls: select, number, paragraph, files."""
    variables = [
        {"select": {"variable": "style", "label": "Style", "required": True, "options": ["oil", "ink"]}},
        {"paragraph": {"variable": "story", "label": "Story", "required": False, "max_length": 4000}},
        {"number": {"variable": "count", "label": "Count"}},
        {"file": {"variable": "photo", "label": "Photo"}},
        {"checkbox": {"variable": "hd", "label": "HD"}},
    ]
    schema = read_parameters({"user_input_form": variables}).schema("dify/app")

    kinds = [control.kind for control in Form(schema, Caller(), write_cell)._controls]
    assert kinds == ["choice", "prompt", "number", "file", "switch"]


@pytest.mark.parametrize("attack", ATTACKS)
def test_hostile_words_stay_words(attack: str) -> None:
    """Titles, descriptions, defaults and what was typed are text in the page and in the terminal."""
    about = {"type": "string", "title": attack, "description": attack, "default": attack}
    schema = Schema("local/collage", attack, {"properties": {attack: about, "prompt": about}}, problem=attack)
    shown = Form(schema, Caller(), write_cell)
    shown.fill(prompt=attack)
    shown.price = attack
    text, page = shown.still()

    assert inspect(page).wrong == []
    assert not set(text + shown.cell) & set("\x1b\x07\x00\u202e\ud800")


@pytest.fixture(autouse=True)
def _no_threads_left() -> Iterator[None]:
    """Cards of these tests end with them."""
    yield
    for thread in threading.enumerate():
        if thread.name == "nbkit-price":
            thread.join(5)
