from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any, Literal

import pytest
from PIL import Image

import nbkit
from nbkit.errors import InputError
from nbkit.model.event import Output, StepFinished, StepStarted
from nbkit.wire.fal.definition import MAX_STEPS
from tests.attacks import ATTACKS

if TYPE_CHECKING:
    from pathlib import Path

    from nbkit.server.host import Host
    from tests.scripted_server import ScriptedServer

DIALECTS: list[Any] = ["package", "execute", "editor"]


def test_a_workflow_is_written_as_fal_writes_it(postcard: nbkit.workflow) -> None:
    """References name steps and inputs, and each step lists what it waits for."""
    nodes = postcard.to_dict()["nodes"]

    assert nodes["fast_sdxl"]["input"] == {
        "prompt": "$input.prompt",
        "image_size": {"width": 64, "height": 64},
        "seed": "$input.seed",
    }
    assert nodes["upscale"]["input"]["image_url"] == "$fast_sdxl.images.0.url"
    assert {name: node["depends"] for name, node in nodes.items()} == {
        "fast_sdxl": ["input"],
        "echo": ["fast_sdxl"],
        "upscale": ["fast_sdxl"],
    }
    assert postcard.to_dict()["output"] == {"cutout": "$echo.given.image_url", "large": "$upscale.image"}


def test_steps_are_named_after_their_endpoints(client: nbkit.Client) -> None:
    """With a number where one is called again, and never like a part of the document; or as they are told to."""
    flow = nbkit.workflow("x", client=client)
    for endpoint in ("fal-ai/flux/schnell", "fal-ai/flux/schnell", "lab/echo", "acme/input", "acme/nodes"):
        flow.run(endpoint)
    flow.run("lab/echo", name="mine")

    assert list(flow.definition.steps) == [
        "flux_schnell",
        "flux_schnell_2",
        "echo",
        "input_2",
        "nodes_2",
        "mine",
    ]
    with pytest.raises(InputError, match="already"):
        flow.run("lab/echo", name="mine")
    for name in ("input", "a b", "$a", "ä", 3):
        with pytest.raises(InputError, match="cannot be the name"):
            flow.run("lab/echo", name=name)  # type: ignore[arg-type]


def test_a_step_that_is_taken_out_can_be_put_in_again(postcard: nbkit.workflow) -> None:
    """What speaks of it in between is told by the check."""
    postcard.remove("upscale")
    assert [it.place for it in postcard.check().problems] == ["output.large"]
    postcard.run("local/upscale", image_url=postcard.step("fast_sdxl").images[0].url)

    assert postcard.check().is_fine
    with pytest.raises(InputError, match="there is no step 'nothing'"):
        postcard.remove("nothing")


def test_a_part_that_an_endpoint_does_not_give_is_an_error_at_once(postcard: nbkit.workflow) -> None:
    """With the nearest that it gives; where no schema speaks of it, any part may be named."""
    with pytest.raises(InputError, match="gives no 'imags'") as caught:
        _ = postcard.step("fast_sdxl").imags
    _ = postcard.step("echo").anything[3]["it is"[:2]]

    assert "did you mean 'images'?" in caught.value.hint
    assert not hasattr(postcard.step("fast_sdxl"), "tolist")
    assert "images" in dir(postcard.step("fast_sdxl"))


def test_inputs_take_types_in_many_words(client: nbkit.Client) -> None:
    """Python's, JSON Schema, a field of an endpoint; without one, that of the input that it is used for."""
    flow = nbkit.workflow("x", client=client)
    size = next(it for it in client.schema("fal-ai/fast-sdxl").fields if it.name == "num_images")
    flow.input("a", list[str], default=[])
    flow.input("b", Literal["x", "y"], description="Which")
    flow.input("c", int | None, default=None)
    flow.input("d", {"type": "number", "minimum": 2})
    flow.input("e", size, default=3)
    flow.run("fal-ai/fast-sdxl", prompt=flow.input("prompt"), seed=flow.input("seed", default=None))
    inputs = flow.to_dict()["schema"]["input"]["properties"]

    assert inputs["a"] == {"type": "array", "items": {"type": "string"}, "default": []}
    assert inputs["b"] == {"type": "string", "enum": ["x", "y"], "description": "Which"}
    assert inputs["c"] == {"type": "integer", "nullable": True, "default": None}
    assert inputs["d"] == {"type": "number", "minimum": 2}
    assert (inputs["e"]["maximum"], inputs["e"]["default"]) == (8, 3)
    assert inputs["prompt"] == {}
    with pytest.raises(InputError, match="not a type"):
        flow.input("f", Image.Image)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_saved_workflow_is_the_same_again(
    postcard: nbkit.workflow, tmp_path: Path, dialect: Any, client: nbkit.Client
) -> None:
    """In every dialect, with its types, defaults and titles."""
    path = postcard.save(tmp_path / "postcard.json", dialect=dialect)
    loaded = nbkit.workflow.load(path, client=client)

    assert loaded == postcard
    assert loaded != nbkit.workflow("postcard")
    assert loaded.title == "A postcard"
    assert loaded.save(tmp_path / "again.json", dialect=dialect).read_bytes() == path.read_bytes()
    assert [it.name for it in tmp_path.iterdir() if it.suffix != ".json"] == []
    assert nbkit.workflow.read(loaded.to_dict(dialect)) == loaded


def test_a_workflow_runs_and_tells_its_steps(postcard: nbkit.workflow, lab: Host) -> None:
    """As a stream with the events of each step, and by the queue with its result alone; each is one request."""
    stream = postcard.stream(prompt="a cat")
    events = list(stream)
    result = postcard.subscribe({"prompt": "a dog", "seed": 3})

    assert [it.node for it in events if isinstance(it, StepStarted)] == ["fast_sdxl", "echo", "upscale"]
    assert {it.node for it in events if isinstance(it, StepFinished)} == {"fast_sdxl", "echo", "upscale"}
    assert isinstance(events[-1], Output)
    assert stream.done()["large"]["width"] == 64
    assert result["large"]["width"] == 64
    assert stream.result().input["input"] == {"prompt": "a cat", "seed": None}
    assert lab.url in result["cutout"]


def test_steps_that_do_not_wait_for_each_other_run_at_the_same_time(client: nbkit.Client, lab: Host) -> None:
    """By the server's own record of when it worked on each: their times overlap, those of a chain do not."""
    flow = nbkit.workflow("diamond", client=client)
    first = flow.run("lab/echo", x=1)
    left = flow.run("lab/wait", seconds=0.4, after=first.given.x, name="left")
    right = flow.run("lab/wait", seconds=0.4, after=first.given.x, name="right")
    last = flow.run("lab/echo", both=[left.waited, right.waited], name="last")
    flow.output(both=last.given.both)
    stream = flow.stream(check=False)
    assert stream.done() == {"both": [0.4, 0.4]}
    store = lab.app.state.service.store
    asked = {it.node: store.get(it.request_id) for it in stream.events if isinstance(it, StepStarted)}
    times = {name: (run._began, run._began + run.seconds) for name, run in asked.items()}

    assert max(times["left"][0], times["right"][0]) < min(times["left"][1], times["right"][1])
    assert times["echo"][1] <= min(times["left"][0], times["right"][0])
    assert max(times["left"][1], times["right"][1]) <= times["last"][0]


def test_a_branch_that_fails_stops_the_others_and_is_named(client: nbkit.Client, lab: Host) -> None:
    """The error says which step; the steps that were under way are cancelled at the server, later ones never begin."""
    flow = nbkit.workflow("broken", client=client)
    flow.run("lab/fail", name="oven")
    slow = flow.run("lab/wait", seconds=60, name="slow")
    flow.run("lab/echo", x=slow.waited, name="never")
    flow.output(x=slow.waited)
    stream = flow.stream(check=False)
    with pytest.raises(nbkit.NbkitError, match="the oven is cold") as caught:
        stream.result()
    asked = {it.node: it.request_id for it in stream.events if isinstance(it, StepStarted)}
    slow_run = lab.app.state.service.store.get(asked["slow"])

    assert getattr(caught.value, "node", "") == "oven"
    assert asked.keys() == {"oven", "slow"}
    give_up = time.monotonic() + 10
    while not slow_run.over and time.monotonic() < give_up:
        time.sleep(0.02)  # a model is given a moment to stop by itself
    assert slow_run.error[1] == "client_cancelled"


def test_nothing_is_sent_where_something_is_wrong(scripted: ScriptedServer) -> None:
    """All problems stand in one error, of the workflow and of the input; `check=False` sends it all the same, once."""
    flow = nbkit.workflow("wrong", client=nbkit.Client(base_url=scripted.origin, key="SECRET"))
    flow.input("prompt", str)
    flow.run("acme/gen", x="$gone.y", z="$lost.y")
    with pytest.raises(InputError) as caught:
        flow.submit(promt="a cat")

    told = str(caught.value)
    for words in ("gone", "lost", "nothing is given as the result", 'did you mean "prompt"'):
        assert words in told
    assert scripted.requests("POST") == []
    with pytest.raises(nbkit.NbkitError):
        flow.submit(prompt="a cat", check=False)
    sent = scripted.requests("POST")
    assert [it.path for it in sent] == ["/queue/workflows/execute"]
    assert sent[0].json["input"] == {"prompt": "a cat"}
    assert sent[0].json["workflow"]["gen"]["input"] == {"x": "$gone.y", "z": "$lost.y"}


def test_files_may_stand_where_constants_stand(client: nbkit.Client, tmp_path: Path) -> None:
    """A picture and a path are uploaded when the workflow runs, and written into the file that keeps it."""
    Image.new("RGB", (8, 8), "red").save(tmp_path / "a.png")
    flow = nbkit.workflow("files", client=client)
    one = flow.run("local/upscale", image_url=Image.new("RGB", (8, 6)), upscale_factor=2, name="one")
    two = flow.run("local/upscale", image_url=tmp_path / "a.png", upscale_factor=1, name="two")
    flow.output(one=one.image, two=two.image)
    result = flow.subscribe()
    loaded = nbkit.workflow.load(flow.save(tmp_path / "files.json"), client=client)

    assert (result["one"]["width"], result["two"]["width"]) == (16, 8)
    assert loaded.definition.steps["one"].input["image_url"].startswith("data:image/png;base64,")
    assert loaded.subscribe()["one"]["height"] == 12


def test_a_file_that_is_too_large_for_a_definition_is_told(client: nbkit.Client, tmp_path: Path) -> None:
    """Nothing is written then, and what stood there stays."""
    (tmp_path / "x.json").write_text("mine")
    (tmp_path / "a.png").write_bytes(b"\x89PNG" + b"x" * 2**20)
    flow = nbkit.workflow("files", client=client)
    flow.run("local/upscale", image_url=tmp_path / "a.png")
    with pytest.raises(InputError, match=r"1\.3 MiB"):
        flow.save(tmp_path / "x.json")

    assert (tmp_path / "x.json").read_text() == "mine"


def test_references_stay_with_their_workflow_and_stand_alone(client: nbkit.Client) -> None:
    """One of another workflow, one in a longer text and one that is gone through are errors where they are made."""
    flow, other = nbkit.workflow("a", client=client), nbkit.workflow("b", client=client)
    prompt = flow.input("prompt", str)
    with pytest.raises(InputError, match="another workflow"):
        other.run("lab/echo", text={"deep": [prompt]})
    with pytest.raises(InputError, match="longer text"):
        _ = f"a picture of {prompt}"
    with pytest.raises(TypeError):
        iter(flow.run("lab/echo"))
    with pytest.raises(InputError, match="no part"):
        _ = flow.run("lab/echo")[-1]

    assert str(prompt) == repr(prompt) == "$input.prompt"
    assert prompt == flow.input("prompt", str)


def test_what_holds_itself_is_refused(client: nbkit.Client) -> None:
    """A list in itself has no end, and is told as too deep."""
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(InputError, match="deep"):
        nbkit.workflow("a", client=client).run("lab/echo", x=endless)


def test_what_is_shown_is_the_output_where_there_is_none(client: nbkit.Client) -> None:
    """With names or without; beside an output it is shown as well."""
    flow = nbkit.workflow("a", client=client)
    step = flow.run("lab/echo", x=1)
    flow.display(step.given.x)
    assert flow.definition.output == {"fields": ["$echo.given.x"]}
    flow.output(x=step.given.x)
    flow.display(seen=step.given.x)

    assert flow.definition.displays == {"display": {"seen": "$echo.given.x"}}
    assert flow.subscribe().data == {"x": 1}
    with pytest.raises(InputError):
        flow.display(step, x=step)


def test_too_many_steps_are_refused_where_they_are_added(client: nbkit.Client) -> None:
    """With the number that can be."""
    flow = nbkit.workflow("a", client=client)
    for _ in range(MAX_STEPS):
        flow.run("lab/echo")
    with pytest.raises(InputError, match="100"):
        flow.run("lab/echo")


@pytest.mark.parametrize("name", ["", "a b", "../x", "ä", "a" * 129, None, 3])
def test_a_name_that_no_address_can_have_is_refused(name: Any) -> None:
    """The title is for people."""
    with pytest.raises(InputError, match="not a name of a workflow"):
        nbkit.workflow(name)


def test_a_workflow_of_an_editor_keeps_what_is_not_nbkit_s(client: nbkit.Client) -> None:
    """Places on a canvas come through; a name that no address can have is made one."""
    node = {"type": "run", "app": "lab/echo", "input": {}, "metadata": {"position": {"x": 3}}}
    document = {
        "name": "My workflow!",
        "nodes": {"node-1": node},
        "output": {"x": "$node-1.given"},
        "metadata": {"a": 1},
    }
    flow = nbkit.workflow.read({"name": "kept", "contents": document}, client=client)
    written = flow.to_dict("editor")

    assert flow.name == "Myworkflow"
    assert written["nodes"]["node-1"]["metadata"] == {"position": {"x": 3}}
    assert written["metadata"] == {"a": 1}
    assert flow.subscribe().data == {"x": {}}


def test_a_workflow_can_be_built_and_run_where_a_loop_runs(postcard: nbkit.workflow) -> None:
    """As in a notebook, whose kernel has a loop of its own."""

    async def cell() -> Any:
        flow = nbkit.workflow.read(postcard.to_dict(), client=postcard._runner.client([]))
        return flow.subscribe(prompt="a cat"), await flow.submit(prompt="a dog")

    one, other = asyncio.run(cell())

    assert one["large"]["width"] == other["large"]["width"] == 64


def test_the_drawing_and_its_text_say_the_same(postcard: nbkit.workflow) -> None:
    """A notebook gets both; Mermaid gets its own words."""
    shown = postcard._repr_mimebundle_()
    plain = shown["text/plain"]

    assert plain.startswith("A postcard  2 inputs · 3 steps")
    assert [line.split()[:2] for line in plain.splitlines() if line[:1].isdecimal()] == [
        ["1", "fast_sdxl"],
        ["2", "echo"],
        ["2", "upscale"],
    ]
    assert "A postcard" in shown["text/html"]
    assert repr(postcard) == "<Workflow postcard: fast_sdxl, echo, upscale>"
    assert json.dumps(shown)
    assert postcard.mermaid().splitlines()[0] == "flowchart LR"


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_workflow_from_outside_is_told_inert(attack: str) -> None:
    """Its one line, which a list or an error may hold, has nothing that a terminal obeys."""
    nodes = {attack: {"type": "run", "app": "local/collage", "depends": [], "input": {}}}
    told = repr(nbkit.workflow.read({"nodes": nodes, "output": {}}))

    assert not set(told) & set("\x1b\x07\x00\u202e\ud800")
