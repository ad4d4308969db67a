from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from IPython.core.error import UsageError

from nbkit.client.run import Run, Stream
from nbkit.errors import RunFailed
from nbkit.model.endpoint import Endpoint
from nbkit.model.result import Result

if TYPE_CHECKING:
    from tests.magics.conftest import Shell


class Answers:
    """A client whose runs are over at once."""

    def __init__(self, outcome: Result | Exception) -> None:
        self.outcome = outcome
        self.calls: list[tuple[str, str, dict[str, Any]]] = []

    def submit(self, endpoint: str, given: dict[str, Any], *, wait: bool) -> Run:
        """Take a request for the queue."""
        assert not wait
        return self._run("submit", Run(Endpoint.parse(endpoint), given))

    def stream(self, endpoint: str, given: dict[str, Any]) -> Run:
        """Take a request for a stream."""
        return self._run("stream", Stream(Endpoint.parse(endpoint), given))

    def _run(self, way: str, run: Run) -> Run:
        self.calls.append((way, run.endpoint, run.input))
        run._accept("request-1", "")
        failed = isinstance(self.outcome, Exception)
        run._settle(None, self.outcome) if failed else run._settle(self.outcome)  # type: ignore[arg-type]
        return run


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """Answers every request with a result."""
    client = Answers(Result({"seed": 42}))
    monkeypatch.setattr("nbkit.client.client.Client", lambda: client)
    return client


def test_a_cell_sends_its_prompt_and_shows_the_result(shell: Shell, answers: Answers) -> None:
    """The prompt goes out word for word, and the card is the cell's only output."""
    shown = shell.cell('%%generate local/collage -n 2\na {cat} on a "beach"')

    assert answers.calls == [("submit", "local/collage", {"prompt": 'a {cat} on a "beach"', "num_images": 2})]
    assert len(shown.outputs) == 1
    assert "seed  42" in shown.outputs[0].data["text/plain"]
    assert shown.stdout == shown.stderr == ""


def test_as_binds_the_result(shell: Shell, answers: Answers) -> None:
    """`--as NAME` makes the result a variable."""
    shell.cell("%generate local/collage --as beach a cat")

    assert shell.user_ns["beach"] is answers.outcome


def test_variables_are_taken_from_the_notebook(shell: Shell, answers: Answers) -> None:
    """`{{name}}` is the variable of that name at that moment."""
    shell.cell("animal = 'cat'\nseeds = [7]")
    shell.cell("%%generate local/collage\nseed: {{seeds[0]}}\n---\na {{animal}}")

    assert answers.calls[0][2] == {"prompt": "a cat", "seed": 7}


@pytest.mark.parametrize("line", ["local/collage --stream", "local/collage/stream"])
def test_streams_are_streamed(shell: Shell, answers: Answers, line: str) -> None:
    """`--stream`, and an endpoint that ends with `/stream`, use the stream."""
    shell.cell(f"%%generate {line}\na cat")

    assert answers.calls[0][0] == "stream"


def test_a_background_cell_binds_the_run(shell: Shell, answers: Answers) -> None:
    """`--background --as NAME` gives the run, which can be waited for."""
    shell.cell("%%generate local/collage --background --as run\na cat")

    assert shell.user_ns["run"].result() is answers.outcome


def test_a_dry_run_sends_nothing(shell: Shell, answers: Answers) -> None:
    """`--dry-run` shows the endpoint and the typed input, and nothing goes out."""
    shown = shell.cell("%%generate local/collage --dry-run --seed 4\na cat")

    text = shown.outputs[0].data["text/plain"]
    assert "local/collage would be sent this by queue; nothing was sent" in text
    assert "prompt  a cat\nseed    4" in text
    assert answers.calls == []


def test_a_slip_costs_one_line(shell: Shell, answers: Answers) -> None:
    """A wrong option is refused in one line without a traceback, and nothing goes out."""
    with pytest.raises(UsageError) as caught:
        shell.cell("%%generate local/collage --sed 4\na cat")

    assert type(caught.value) is UsageError
    assert str(caught.value) == "there is no option '--sed' → did you mean --seed?"
    assert answers.calls == []


def test_a_failed_run_fails_the_cell(shell: Shell, answers: Answers) -> None:
    """The cell raises the error itself; its card tells the state, and not the message a second time."""
    answers.outcome = RunFailed("the prompt was refused")
    with pytest.raises(RunFailed, match="the prompt was refused") as caught:
        shell.cell("%%generate local/collage\na cat")

    assert caught.value._render_traceback_() == ["RunFailed: the prompt was refused"]


def test_without_an_endpoint_the_default_answers(
    shell: Shell, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a key the local collage answers, with one fal does."""
    shell.cell("%generate a cat")
    monkeypatch.setenv("FAL_KEY", "id:secret")
    shell.cell("%generate a cat")

    assert [endpoint for _, endpoint, _ in answers.calls] == ["local/collage", "fal-ai/flux/schnell"]


def test_the_magic_works_inside_others(shell: Shell, answers: Answers) -> None:
    """`%%capture` and `%%time` can be put around it."""
    shell.cell("%%capture shown\n%generate local/collage a cat")
    shown = shell.cell("%%time\n%generate local/collage a cat")

    assert len(shell.user_ns["shown"].outputs) == 1
    assert len(shown.outputs) == 1
    assert len(answers.calls) == 2


def test_unloading_takes_everything_away(shell: Shell) -> None:
    """After `%unload_ext nbkit` the magics are gone, and loading again brings them back once."""
    matchers = len(shell.Completer.custom_matchers)
    formatter: Any = shell.display_formatter
    assert "nbkit.model.result.Result" in formatter.mimebundle_formatter
    shell.run_line_magic("unload_ext", "nbkit")
    assert "nbkit.model.result.Result" not in formatter.mimebundle_formatter
    assert not set(shell.magics_manager.magics["cell"]) & {"generate"}
    assert not set(shell.magics_manager.magics["line"]) & {"generate", "nbkit"}
    assert len(shell.Completer.custom_matchers) == matchers - 1

    shell.run_line_magic("load_ext", "nbkit")
    assert "generate" in shell.magics_manager.magics["cell"]
    assert len(shell.Completer.custom_matchers) == matchers


def test_help_shows_every_option(shell: Shell) -> None:
    """`%%generate?` shows each option and examples."""
    help_text = shell.magics_manager.magics["cell"]["generate"].__doc__

    for word in ("-p KEY=VALUE", "--seed S", "--dry-run", "{{name}}", "Examples:"):
        assert word in help_text
