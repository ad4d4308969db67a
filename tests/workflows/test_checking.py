from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import pytest

import nbkit
from nbkit.errors import ConnectionFailed, ServiceError
from nbkit.model.schema import Schema
from nbkit.wire.fal.definition import read_definition
from nbkit.workflows.checking import Checked
from nbkit.workflows.report import Problem, Report
from nbkit.workflows.schemas import Schemas, Unknown
from tests.display.test_injection import inspect

TEXT = {"type": "string"}
IMAGE = {"type": "object", "title": "Image", "properties": {"url": TEXT}}
GEN = Schema(
    "acme/gen",
    "Gen",
    {
        "properties": {
            "prompt": TEXT,
            "seed": {"type": "integer"},
            "size": {"properties": {"width": {"type": "integer"}}},
        },
        "required": ["prompt"],
    },
    {
        "type": "object",
        "properties": {"images": {"type": "array", "items": IMAGE}, "seed": {"type": "integer"}},
    },
)
CUT = Schema(
    "acme/cut",
    "Cut",
    {"properties": {"image_url": TEXT}, "required": ["image_url"]},
    {"properties": {"image": IMAGE}},
)
GONE = Unknown("there is no such endpoint", is_certain=True)
AWAY = Unknown("the service was never reached")
SCHEMAS: Any = {"acme/gen": GEN, "acme/cut": CUT, "acme/gone": GONE, "acme/away": AWAY}


def checked(output: Any = None, schema: Any = None, **steps: tuple[str, dict[str, Any]]) -> Report:
    """What is told of a workflow of some steps."""
    nodes = {name: {"type": "run", "app": app, "input": given} for name, (app, given) in steps.items()}
    first = next(iter(steps))
    document = {
        "name": "w",
        "nodes": nodes,
        "output": output or {"x": f"${first}"},
        "schema": {"input": schema or {}},
    }
    return Checked(read_definition(document), SCHEMAS).report()


def told(report: Report) -> dict[str, str]:
    """Place → message and advice of each problem."""
    return {it.place: f"{it.message} {it.advice}" for it in report.problems}


SKETCH = ("acme/gen", {"prompt": "$input.prompt"})


def test_a_workflow_that_fits_has_no_problem() -> None:
    """Nor a note."""
    report = checked({"x": "$b.image.url"}, a=SKETCH, b=("acme/cut", {"image_url": "$a.images.0.url"}))

    assert report == Report("w")
    assert report.is_fine
    assert str(report) == "w: nothing is wrong with it"
    report.insist()


def test_every_problem_is_told_at_once_with_its_place() -> None:
    """Names, types, missing inputs, references to nothing, endpoints, circles: in one go."""
    report = checked(
        {"x": "$a.imags", "y": "$nobody"},
        a=("acme/gen", {"promt": "$input.prompt", "seed": "seven", "size": {"width": "$input.word"}}),
        b=("acme/cut", {"image_url": "$a.images"}),
        c=("acme/gone", {}),
        d=("dify/app", {}),
        e=("no endpoint", {}),
        f=("acme/away", {"x": "$g.x"}),
        g=("acme/away", {"x": "$f.x", "y": "$aa.x"}),
        h=("acme/away", {"x": "$h.x"}),
        schema={"word": {"type": "string", "required": True}},
    )
    problems = told(report)

    assert 'did you mean "prompt"?' in problems["a.promt"]
    assert "not an integer" in problems["a.seed"]
    assert "$input.word does not fit" in problems["a.size.width"]
    assert "write a.images[0].url" in problems["b.image_url"]
    assert "acme/gone is not known" in problems["c"]
    assert "Dify" in problems["d"]
    assert "is not an endpoint" in problems["e"]
    assert "f → g → f" in problems["f"] or "g → f → g" in problems["g"]
    assert "h → h" in problems["h"]
    assert "'aa', which is no step" in problems["g.y"]
    assert "did you mean 'images'?" in problems["output.x"]
    assert "'nobody'" in problems["output.y"]
    with pytest.raises(nbkit.NbkitError, match="has 12 problems; nothing was sent"):
        report.insist()


def test_a_report_shows_itself_in_full() -> None:
    """Each line says where, what, and what to do; nothing in it steers a terminal or becomes markup."""
    report = Report("<w>", (Problem("a.x", "it is <b>wrong</b>\x1b[2J " + "x" * 200, "mend it"),))

    assert str(report).startswith("<w>: 1 problem\n✕ a.x: it is <b>wrong</b>[2J x")
    assert str(report).endswith("xxx → mend it")
    assert inspect(report._repr_mimebundle_()["text/html"]).wrong == []


def test_a_missing_input_of_a_step_is_told() -> None:
    """An input that its endpoint needs, and that nothing gives."""
    assert "is missing" in told(checked(a=("acme/gen", {})))["a.prompt"]


def test_what_cannot_be_known_is_a_note() -> None:
    """A service that is away, an endpoint without words for its output, an unknown type: none of them is a problem."""
    report = checked(
        {"x": "$c.image.url"},
        a=("acme/away", {"anything": "$input.any"}),
        b=("acme/gen", {"prompt": "$a.some.0.text", "extra": 1}),
        c=("acme/cut", {"image_url": "$b.images.0.url"}),
    )

    assert report.is_fine
    assert [it.place for it in report.notes] == ["a", "b.extra"]
    assert "never reached" in report.notes[0].message


def test_what_nothing_uses_is_a_note() -> None:
    """A step that is billed for nothing, and an input that nobody reads."""
    report = checked(a=SKETCH, b=SKETCH, schema={"spare": {"type": "string"}})

    assert [it.place for it in report.notes] == ["input.spare", "b"]
    assert "billed" in report.notes[1].message


def test_text_that_looks_like_a_reference_is_a_note() -> None:
    """Fal replaces whole values alone; a price that begins with a dollar may be taken for a reference."""
    report = checked(
        a=("acme/gen", {"prompt": "see $input.prompt"}), b=("acme/gen", {"prompt": "$5.99 each"})
    )

    assert {it.place for it in report.notes} == {"a.prompt", "b.prompt", "b"}
    assert report.is_fine


def test_a_default_that_does_not_fit_its_own_type_is_told() -> None:
    """Before a caller leaves it out."""
    declared = {"type": "object", "properties": {"prompt": {"type": "integer", "default": "x"}}}

    assert "default does not fit" in told(checked(a=SKETCH, schema=declared))["input.prompt"]


def test_a_workflow_of_nothing_says_what_it_lacks() -> None:
    """Steps and an output."""
    assert {it.place for it in nbkit.workflow("empty").check().problems} == {"steps", "output"}


def test_inputs_and_output_get_the_types_that_are_known() -> None:
    """A form of the workflow shows the right controls: those of the inputs that are handed on."""
    nodes = {"a": {"type": "run", "app": "acme/gen", "input": {"prompt": "$input.p", "seed": "$input.s"}}}
    output = {"url": "$a.images.0.url", "all": ["$a.images"], "none": "$gone"}
    declared = {"s": {"type": "number", "required": True}}
    definition = read_definition({"nodes": nodes, "output": output, "schema": {"input": declared}})
    described = Checked(definition, SCHEMAS).described()

    assert described.inputs == {"s": {"type": "number"}, "p": TEXT}
    assert described.gives["properties"] == {"url": TEXT, "all": {}, "none": {}}


def test_a_service_that_is_away_is_asked_once() -> None:
    """Not again for each endpoint of the workflow; who answers others is asked all the same."""
    away = Mock(**{"schema.side_effect": ConnectionFailed("the service was never reached")})
    known = Schemas()
    found = [known.get(app, away) for app in ("acme/a", "acme/b", "local/c")]

    assert found == [AWAY] * 3
    assert [call.args for call in away.schema.call_args_list] == [("acme/a",), ("local/c",)]


def test_a_workflow_without_a_network_says_what_was_not_checked() -> None:
    """Each of its steps, and nothing is refused for it."""
    flow = nbkit.workflow("away", client=nbkit.Client(base_url="http://127.0.0.1:9", key="SECRET"))
    flow.output(x=flow.run("acme/a").x, y=flow.run("acme/b").y)
    report = flow.check()

    assert report.is_fine
    assert [it.place for it in report.notes] == ["a", "b"]
    assert all("not checked" in it.message for it in report.notes)


def test_a_local_step_beside_one_of_fal_s_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has a key hears that this machine answers for fal, because fal cannot call this machine."""
    monkeypatch.setenv("FAL_KEY", "key-id:key-secret")
    flow = nbkit.workflow("mixed")
    monkeypatch.setattr(flow._runner._schemas, "get", lambda *_: AWAY)
    flow.output(x=flow.run("fal-ai/fast-sdxl").x, y=flow.run("local/upscale").y)

    assert (
        "answered here, too"
        in next(it for it in flow.check().notes if it.place == "fal-ai/fast-sdxl").message
    )


def test_an_endpoint_that_fal_does_not_describe_may_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """What its users keep to themselves has no public description; fal's own models all have one."""
    monkeypatch.setenv("FAL_KEY", "key-id:key-secret")
    client = nbkit.Client()
    refused = ServiceError("no such page", status=404)
    monkeypatch.setattr(client, "schema", Mock(side_effect=refused))
    certain = {
        app: getattr(Schemas().get(app, client), "is_certain", None)
        for app in ("fal-ai/gone", "me/private", "workflows/me/mine", "workflows/fal-ai/gone")
    }

    assert certain == {
        "fal-ai/gone": True,
        "me/private": False,
        "workflows/me/mine": False,
        "workflows/fal-ai/gone": False,
    }
