# Annotations are read here as they are by those who declare functions, so they are not put off.

import contextlib
import enum
import io
import json
from pathlib import Path
from typing import Annotated, Any, Literal

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

import nbkit
from nbkit.endpoints.invalid_input import InvalidInput
from nbkit.errors import InputError
from nbkit.model.schema import Schema
from nbkit.server.files import StoredFile
from nbkit.widgets.controls import controls_of
from tests.endpoints.conftest import Request, data_uri


class Colour(enum.Enum):
    """A few words."""

    RED = "red"
    BLUE = "blue"


class Inner(BaseModel):
    """A model in a model."""

    width: int = Field(8, ge=1)
    tags: list[str] = []


class Node(BaseModel):
    """A model in itself."""

    name: str
    children: list["Node"] = []


def fields(schema: Any) -> dict[str, Any]:
    """The properties of a schema."""
    found: dict[str, Any] = schema["properties"]
    return found


def test_a_signature_becomes_a_schema() -> None:
    """Types, bounds, choices, defaults, nested models and what the docstring says of each parameter."""

    @nbkit.endpoint("me/x")
    def draw(  # noqa: D417 - not every parameter needs words
        prompt: str,
        /,
        inner: Inner,
        steps: Annotated[int, Field(ge=1, le=50)] = 4,
        mode: Literal["fast", "good"] = "good",
        *,
        colour: Colour = Colour.RED,
        weight: float | None = None,
        sizes: list[int] | None = None,
    ) -> str:
        """Draw.

        Args:
            prompt: What to show,
                in words.
            steps (int): How many.
        """
        return f"{prompt}{inner}{steps}{mode}{colour}{weight}{sizes}"

    schema = draw.facts["input"]
    assert "$ref" not in json.dumps(schema)
    assert schema["title"] == "DrawInput"
    assert schema["required"] == ["prompt", "inner"]
    assert schema["x-fal-order-properties"] == [
        "prompt",
        "inner",
        "steps",
        "mode",
        "colour",
        "weight",
        "sizes",
    ]
    found = fields(schema)
    assert found["prompt"] == {
        "type": "string",
        "title": "Prompt",
        "description": "What to show, in words.",
    }
    assert (found["steps"]["minimum"], found["steps"]["maximum"], found["steps"]["default"]) == (1, 50, 4)
    assert found["mode"]["enum"] == ["fast", "good"]
    assert (found["colour"]["enum"], found["colour"]["default"]) == (["red", "blue"], "red")
    assert (found["weight"]["type"], found["weight"]["nullable"]) == ("number", True)
    assert fields(found["inner"])["width"]["minimum"] == 1


def test_an_input_becomes_arguments(job: Request) -> None:
    """Each arrives as the type that was written: enums, models, what has no name, and defaults."""
    taken: list[Any] = []

    @nbkit.endpoint("me/x")
    def draw(
        prompt: str, /, inner: Inner, *, colour: Colour = Colour.RED, pair: tuple[int, int] = (1, 2)
    ) -> str:
        taken.extend([prompt, inner, colour, pair])
        return "done"

    draw.compute({"prompt": "a", "inner": {"width": "9"}, "colour": "blue", "unknown": 1}, job)

    assert taken == ["a", Inner(width=9), Colour.BLUE, (1, 2)]


def test_one_model_is_the_input_itself(job: Request) -> None:
    """Its fields are the input's, and the function is given the model that it asks for."""

    @nbkit.endpoint("me/x")
    def draw(request: Inner) -> dict[str, Any]:
        assert isinstance(request, Inner)
        return {"width": request.width}

    assert list(fields(draw.facts["input"])) == ["width", "tags"]
    assert draw.compute({"width": 3}, job) == {"width": 3}


def test_a_model_that_holds_itself_has_a_schema_of_some_depth(job: Request) -> None:
    """The schema ends where it would begin again, and the input may go on."""

    @nbkit.endpoint("me/x")
    def count(tree: Node, more: int = 0) -> int:
        return 1 + more + len(tree.children[0].children)

    given = {"tree": {"name": "a", "children": [{"name": "b", "children": [{"name": "c"}]}]}}
    assert "$ref" not in json.dumps(count.facts["input"])
    assert count.compute(given, job) == {"output": 2}


def test_names_that_pydantic_keeps_for_itself_are_names_like_others(job: Request) -> None:
    """A parameter may be called as a person likes."""

    @nbkit.endpoint("me/x")
    def draw(
        json: int, model_config: int, copy: int, _hidden: int = 4, const: int = 5, title: int = 6
    ) -> list[int]:
        return [json, model_config, copy, _hidden, const, title]

    assert draw.compute({"json": 1, "model_config": 2, "copy": 3, "_hidden": 9}, job) == {
        "output": [1, 2, 3, 9, 5, 6]
    }
    assert list(fields(draw.facts["input"])) == ["json", "model_config", "copy", "_hidden", "const", "title"]


class Circle(BaseModel):
    """One kind of two."""

    kind: Literal["circle"]
    radius: float


class Square(BaseModel):
    """The other kind."""

    kind: Literal["square"]
    side: float


def test_a_default_may_be_written_as_pydantic_s_field(job: Request) -> None:
    """Its bounds and words count, and the name is the parameter's."""

    @nbkit.endpoint("me/x")
    def draw(number: int = Field(3, ge=1, description="How many.")) -> int:
        return number

    rule = fields(draw.facts["input"])["number"]
    assert (rule["default"], rule["minimum"], rule["description"]) == (3, 1, "How many.")
    assert draw.compute({}, job) == {"output": 3}
    with pytest.raises(InvalidInput, match="number: Input should be greater than or equal to 1"):
        draw.compute({"number": 0}, job)


def test_one_of_several_models_is_told_apart_by_its_kind(job: Request) -> None:
    """The schema lists them, each with its word."""

    @nbkit.endpoint("me/x")
    def draw(shape: Annotated[Circle | Square, Field(discriminator="kind")]) -> str:
        return type(shape).__name__

    shape = fields(draw.facts["input"])["shape"]
    assert [it["properties"]["kind"]["enum"] for it in shape["anyOf"]] == [["circle"], ["square"]]
    assert "$defs" not in json.dumps(shape)
    assert draw.compute({"shape": {"kind": "square", "side": 2}}, job) == {"output": "Square"}


def test_files_arrive_as_what_they_are(job: Request, red: str) -> None:
    """A picture as a picture, a path as a file of its own, bytes as bytes, also within lists and models."""

    class Scene(BaseModel):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        back: Image.Image
        name: str = "scene"

    @nbkit.endpoint("me/x")
    def measure(  # noqa: PLR0917 - one of each kind
        one: Image.Image,
        many: list[Image.Image],
        scene: Scene,
        text: Path,
        raw: bytes,
        none: Image.Image | None = None,
    ) -> dict[str, Any]:
        return {
            "sizes": [it.size for it in (one, *many, scene.back)],
            "is_scene": isinstance(scene, Scene),
            "text": text.read_text("utf-8"),
            "suffix": text.suffix,
            "raw": len(raw),
            "none": none,
        }

    found = fields(measure.facts["input"])
    text = data_uri(b"some words", "text/plain")
    output = measure.compute(
        {"one": red, "many": [red, red], "scene": {"back": red}, "text": text, "raw": text}, job
    )

    assert output == {
        "sizes": [[6, 4]] * 4,
        "is_scene": True,
        "text": "some words",
        "suffix": ".txt",
        "raw": 10,
        "none": None,
    }
    assert [found[name]["ui"]["field"] for name in ("one", "many", "text", "raw", "none")] == [
        "image",
        "image",
        "file",
        "file",
        "image",
    ]
    kinds = {it.place: it.kind for it in controls_of(Schema("me/x", "", measure.facts["input"]))}
    assert {kinds[name] for name in ("one", "many", "text", "raw", "none")} == {"file"}


def test_an_uploaded_file_keeps_its_name_and_goes_with_its_request(job: Request) -> None:
    """A path has the name of the file, is a copy, and is gone when the request is over."""
    stored = StoredFile.new("voice.wav", "audio/wav")
    job.store.put(stored, b"RIFF")
    paths: list[Path] = []

    @nbkit.endpoint("me/x")
    def listen(sound: Path) -> str:
        paths.append(sound)
        sound.write_bytes(b"changed")
        return sound.name

    output = listen.compute({"sound": f"http://any/cdn/files/{job.store.address(stored)}"}, job)
    job.end()

    assert output == {"output": "voice.wav"}
    assert job.store.read(stored.id, 10) == b"RIFF"
    assert not paths[0].exists()


def test_what_does_not_fit_is_told_field_by_field(job: Request) -> None:
    """Place, message, kind, limit and value, as pydantic says them and fal's answers hold them."""

    @nbkit.endpoint("me/x")
    def draw(prompt: str, picture: Image.Image, inner: Inner, steps: Annotated[int, Field(le=50)] = 4) -> str:
        return f"{prompt}{picture}{inner}{steps}"

    with pytest.raises(InvalidInput) as caught:
        draw.compute({"picture": "ftp://{x}/", "inner": {"width": 0}, "steps": 70}, job)
    missing, picture, width, steps = caught.value.problems

    assert (missing.place, missing.kind, missing.message) == (("prompt",), "missing", "Field required")
    assert (picture.place, picture.kind) == (("picture",), "file_download_error")
    assert "'ftp' is not a scheme" in picture.message
    assert "ftp://{x}/" in picture.message
    assert (width.place, width.context, width.value) == (("inner", "width"), {"ge": 1}, 0)
    assert (steps.place, steps.context, steps.value) == (("steps",), {"le": 50}, 70)


def test_no_answer_lists_a_hundred_thousand_problems(job: Request) -> None:
    """Of a long list with nothing right in it, the first hundred are told."""

    @nbkit.endpoint("me/x")
    def draw(numbers: list[int]) -> int:
        return len(numbers)

    with pytest.raises(InvalidInput) as caught:
        draw.compute({"numbers": ["x"] * 5000}, job)
    assert len(caught.value.problems) == 100
    assert caught.value.problems[99].place == ("numbers", 99)


def test_an_address_with_half_of_a_character_is_none(job: Request) -> None:
    """JSON can hold what is no text; that is a wrong input and no fault of the function."""

    @nbkit.endpoint("me/x")
    def draw(picture: Image.Image, sound: bytes) -> str:
        return f"{picture}{sound!r}"

    with pytest.raises(InvalidInput) as caught:
        draw.compute({"picture": "\ud800", "sound": "data:,\udfff"}, job)
    assert [it.place for it in caught.value.problems] == [("picture",), ("sound",)]


def test_a_default_that_no_caller_could_give_stays_with_the_function(job: Request, tmp_path: Path) -> None:
    """An infinite bound, or a file beside the code: the schema leaves it unsaid, and it counts all the same."""
    (tmp_path / "a.txt").write_text("abc")

    @nbkit.endpoint("me/x")
    def draw(most: float = float("inf"), path: Path = tmp_path / "a.txt", sound: bytes = b"de") -> list[Any]:
        return [most > 5, path.read_text(), sound.decode()]

    properties = draw.facts["input"]["properties"]
    assert not any("default" in rule for rule in properties.values())
    assert "required" not in draw.facts["input"]
    assert draw.compute({}, job) == {"output": [True, "abc", "de"]}


def test_a_seed_that_is_left_out_is_drawn_and_told(job: Request) -> None:
    """The output says which, so that it can be given again; a seed that is given is kept."""

    @nbkit.endpoint("me/x")
    def draw(seed: Annotated[int | None, Field(ge=0, le=9)] = None) -> dict[str, Any]:
        assert seed is not None
        return {"drawn": seed}

    @nbkit.endpoint("me/y")
    def own(seed: int | None = None) -> dict[str, Any]:
        return {"seed": "mine", "given": seed}

    drawn = [draw.compute({}, job) for _ in range(200)]
    assert {it["seed"] for it in drawn} == set(range(10))
    assert all(it["seed"] == it["drawn"] for it in drawn)
    assert draw.compute({"seed": 7}, job) == {"drawn": 7, "seed": 7}
    assert draw.compute({"seed": None}, job)["seed"] in range(10)
    assert own.compute({}, job)["seed"] == "mine"
    assert fields(draw.facts["output"])["seed"]["type"] == "integer"


@pytest.mark.parametrize("default", [0, 5])
def test_a_seed_with_a_default_is_not_drawn(job: Request, default: int) -> None:
    """A function that says its own seed keeps it."""

    def draw(seed: int) -> str:
        return "done" if seed >= 0 else ""

    draw.__defaults__ = (default,)
    assert nbkit.endpoint("me/x")(draw).compute({}, job) == {"output": "done", "seed": default}


def _untyped(prompt, steps: int = 3) -> str:  # type: ignore[no-untyped-def]  # noqa: ANN001
    return f"{prompt}{steps}"


def _any_number(*prompts: str) -> str:
    return "".join(prompts)


def _any_name(**options: str) -> str:
    return "".join(options)


def _open_file(file: io.BytesIO) -> str:
    return str(file)


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (_untyped, "'prompt' of _untyped has no annotation"),
        (_any_number, r"'\*prompts' of _any_number takes any arguments"),
        (_any_name, r"'\*\*options' of _any_name takes any arguments"),
        (_open_file, "the parameters of _open_file cannot be described"),
    ],
)
def test_a_parameter_that_no_input_can_give_is_told_at_once(function: Any, says: str) -> None:
    """What, where, and what to do about it."""
    with pytest.raises(InputError, match=says) as caught:
        nbkit.endpoint("me/x")(function)

    assert caught.value.hint


PLAIN: list[Any] = [
    int,
    float,
    str,
    bool,
    Literal["a", "b"],
    Colour,
    Inner,
    Annotated[int, Field(ge=-3, lt=7)],
    Annotated[str, Field(min_length=1, max_length=5)],
]
TYPES = st.recursive(
    st.sampled_from(PLAIN),
    lambda inner: st.one_of(
        inner.map(lambda it: list[it]),  # type: ignore[valid-type]
        inner.map(lambda it: it | None),
        inner.map(lambda it: dict[str, it]),  # type: ignore[valid-type]
        st.tuples(inner, inner).map(lambda it: it[0] | it[1]),
    ),
    max_leaves=4,
)
JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-9, 9),
        st.floats(-1e15, 1e15),  # what is larger, pydantic takes for no whole number, and JSON Schema does
        st.sampled_from(["a", "red", "", "1"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["width", "tags", "x"]), inner, max_size=3),
    ),
    max_leaves=5,
)


def nulls_allowed(schema: Any) -> Any:
    """A schema as `jsonschema` reads it, which does not know OpenAPI's `nullable`."""
    if isinstance(schema, list):
        return [nulls_allowed(it) for it in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {name: nulls_allowed(it) for name, it in schema.items() if name != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if schema.get("nullable") is True else plain


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=TYPES, value=JSON)
def test_a_schema_never_promises_too_much(job: Request, kind: Any, value: Any) -> None:
    """What the schema of a parameter allows is taken; what is not taken is told with its place."""

    def take(it: Any) -> str:
        return f"taken {it}"[:5]

    take.__annotations__ = {"it": kind, "return": str}
    made = nbkit.endpoint("me/fuzz")(take)
    schema = made.facts["input"]
    assert json.loads(json.dumps(schema, allow_nan=False)) == schema
    allowed = jsonschema.Draft202012Validator(nulls_allowed(schema)).is_valid({"it": value})
    if allowed:
        assert made.compute({"it": value}, job) == {"output": "taken"}
        return
    problems = []
    with contextlib.suppress(InvalidInput):  # a number may be written as text, which the schema does not say
        try:
            made.compute({"it": value}, job)
        except InvalidInput as error:
            problems = error.problems
            raise
    json.dumps([it._asdict() for it in problems], allow_nan=False)
    assert all(it.place[0] == "it" and it.message and it.kind for it in problems)
