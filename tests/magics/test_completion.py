from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st
from IPython.core.completer import provisionalcompleter

import nbkit
from nbkit.magics.completion import offer
from nbkit.magics.notebook import Notebook
from nbkit.magics.offers import Offers, words_of, written
from nbkit.magics.values import read
from nbkit.model.schema import Schema

if TYPE_CHECKING:
    from nbkit.client.client import Client
    from tests.magics.conftest import Shell

SCHEMA = Schema(
    "acme/x",
    "",
    {
        "properties": {
            "prompt": {"type": "string"},
            "num_images": {"type": "integer", "default": 1},
            "negative": {"type": "string"},
            "image_size": {
                "anyOf": [
                    {"type": "object"},
                    {"type": "string", "enum": ["square", "square_hd", "two words"]},
                ]
            },
            "safe": {"type": "boolean"},
            "sync mode": {"type": "boolean"},
        }
    },
)


class Knows:
    """A client that knows one schema, and counts who asks."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.is_told = threading.Event()

    def schema(self, endpoint: str) -> Schema:
        """Describe the endpoint."""
        self.asked.append(endpoint)
        self.is_told.wait(10)
        return SCHEMA


@pytest.fixture
def notebook(shell: Shell) -> Notebook:
    """A notebook whose service has told what `acme/x` takes."""
    knows: Any = Knows()
    knows.is_told.set()
    notebook = Notebook(shell)
    notebook.offers = Offers(lambda: knows)
    notebook.aliases["hero"] = "acme/x -n 2"
    notebook.calls("acme/used", is_default=False)
    until(lambda: notebook.offers.inputs("acme/x"))
    return notebook


def until(happened: Any) -> None:
    """Wait for what another thread does."""
    give_up = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def at_end(text: str, notebook: Notebook) -> list[str]:
    """What TAB offers where the text ends, or at `|`."""
    before = text.partition("|")[0]
    line = before.count("\n")
    found = offer(text.replace("|", ""), line, len(before.split("\n")[-1]), notebook)
    assert before.endswith(found.fragment)
    return list(found.words)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%%generate --se", ["--seed"]),
        ("%%generate local/collage --s", ["--seed", "--stream", "--sweep", "--show"]),
        (
            "%%generate local/collage ",
            [
                "-p",
                "-n",
                "--seed",
                "--as",
                "--stream",
                "--background",
                "--dry-run",
                "--reuse",
                "--sweep",
                "--show",
            ],
        ),
        ("%%generate --show ", ["images", "table", "all", "none"]),
        ("%%generate --show t", ["table"]),
        ("%%generate local/col", ["local/collage"]),
        ("%generate fal-ai/flux/", ["fal-ai/flux/schnell"]),
        ("%generate he", ["hero"]),
        ("%generate acme/", ["acme/used"]),
        ("x = 1\n  %generate he", ["hero"]),
        ("%generate local/collage a", []),
        ("%generate local/collage ", []),
        ("%%generate --seed ", []),
        ("%%generate", []),
        ("generate --", []),
        ("", []),
        ("%%generate acme/x -p n", ["num_images=", "negative="]),
        ("%%generate hero -p n", ["num_images=", "negative="]),
        ('%%generate -n 2 acme/x -p image_size={"width": 8, "a": "b c"} -p n', ["num_images=", "negative="]),
        ("%%generate acme/x -p num_images=2 -p n", ["negative="]),
        ("%%generate acme/x -p image_size=", ["square", "square_hd", '"two words"']),
        ("%%generate acme/x -p image_size=square_", ["square_hd"]),
        ('%%generate acme/x -p image_size="t', ['"two words"']),
        ("%%generate acme/x -p safe=", ["true", "false"]),
        ("%%generate acme/x -p nothing=", []),
        ("%%generate acme/x\nneg|\n---\na cat", ["negative: "]),
        (
            "%%generate --seed 3 hero\nseed: 4\n|\n---\na cat",
            ["prompt: ", "num_images: ", "negative: ", "image_size: ", "safe: "],
        ),
        ("%%generate acme/x\nsafe: |", ["true", "false"]),
        ("%%generate acme/x\nimage_size: square_", ["square_hd"]),
        ("%%generate acme/x\nneg", ["negative: "]),
        ("%%generate acme/x\na cat and a dog\nneg", []),
        ("%%generate acme/x\nsafe: true\n---\nneg", []),
        ("%%generate acme/x\n", []),
        ("%nbkit jo", ["jobs"]),
        ("%nbkit connect f", ["fal"]),
        ("%nbkit alias ", ["keep", "remove"]),
        ("%nbkit alias keep h", ["hero"]),
        ("%nbkit cancel ", ["all"]),
        ("%nbkit nothing ", []),
    ],
)
def test_what_can_stand_there_is_offered(text: str, expected: list[str], notebook: Notebook) -> None:
    """TAB offers endpoints, names, options, inputs and values where they can stand, and nothing elsewhere."""
    found = at_end(text, notebook)
    assert [word for word in found if word not in ("dify", "dify NAME")] == expected


def test_the_default_endpoints_inputs_are_offered(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cell that names no endpoint is offered the inputs of the one that will answer."""
    monkeypatch.setenv("NBKIT_ENDPOINT", "hero")

    assert at_end("%%generate -p neg", notebook) == ["negative="]


def test_typing_never_waits_for_a_schema(shell: Shell) -> None:
    """The first TAB returns at once with nothing, one question is asked behind it, and a later TAB has the answer."""
    knows: Any = Knows()
    notebook = Notebook(shell)
    notebook.offers = Offers(lambda: knows)
    text = "%%generate acme/x -p neg"

    assert [at_end(text, notebook) for _ in range(3)] == [[], [], []]  # the service is still silent
    until(lambda: knows.asked)
    knows.is_told.set()
    until(lambda: at_end(text, notebook) == ["negative="])
    assert knows.asked == ["acme/x"]


def test_a_service_that_fails_is_not_asked_again_at_once() -> None:
    """A schema that cannot be had offers nothing, and pressing TAB does not become a flood."""
    asked = []

    def fail() -> Client:
        asked.append(1)
        raise OSError("no network")

    offers = Offers(fail)
    for _ in range(5):
        assert offers.inputs("acme/x") == {}
    until(lambda: asked)
    assert len(asked) == 1


@given(
    st.dictionaries(
        st.text(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda inner: (
                st.lists(inner)
                | st.dictionaries(st.sampled_from(["enum", "anyOf", "type", "default", "items"]), inner)
            ),
        ),
    )
)
def test_any_schema_makes_words(properties: dict[str, Any]) -> None:
    """Whatever a service says, what is offered are single words that a cell understands."""
    found = words_of(Schema("acme/x", "", {"properties": properties}))

    assert all(name.isidentifier() for name in found)
    for values in found.values():
        for word in values:
            assert read(word, 0)[1] == len(word)


@given(st.text() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans())
def test_values_are_offered_as_a_cell_reads_them(value: Any) -> None:
    """A value that is offered means itself when it is typed."""
    word = written(value)

    assert not word or read(word, 0) == (value, len(word))


@pytest.mark.parametrize("is_jedi", [True, False])
def test_the_shell_offers_them(is_jedi: bool, shell: Shell) -> None:  # noqa: FBT001
    """IPython's completion gives them by its new and by its old interface, with and without jedi."""
    shell.Completer.use_jedi = is_jedi
    line = "%%generate local/collage --se"
    with shell.builtin_trap, provisionalcompleter():
        found = [completion.text for completion in shell.Completer.completions(line, len(line))]
    with pytest.warns(PendingDeprecationWarning):
        _, old = shell.complete("--se", line, len(line))

    assert found == ["--seed"]
    assert "--seed" in old


def test_below_the_first_line_the_shell_offers_input(shell: Shell) -> None:
    """In a cell of several lines the inputs of the embedded server's endpoint come, once it has told them."""
    text = "%%generate local/collage\nnum\n---\na cat"
    place = text.index("num") + 3

    def offered() -> list[str]:
        with shell.builtin_trap, provisionalcompleter():
            return [it.text for it in shell.Completer.completions(text, place)]

    until(lambda: offered() == ["num_images: "])


def test_published_workflows_are_offered_behind_their_first_word(shell: Shell) -> None:
    """What the embedded server keeps is asked for behind the typing, and nobody is asked before `workflows/`."""
    notebook = Notebook(shell)
    flow = nbkit.workflow("offered")
    flow.output(x=flow.run("local/collage", prompt="a cat").images)
    flow.publish()
    at_end("%%generate w", notebook)
    assert "workflows/" not in notebook.offers._asked
    until(lambda: "workflows/local/offered" in at_end("%%generate workflows/", notebook))

    assert at_end("%%generate workflows/local/of", notebook) == ["workflows/local/offered"]
