from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings, strategies as st
from IPython.core.inputtransformer2 import TransformerManager

from nbkit.magics.cell import cell_for
from nbkit.magics.grammar import parse

PIECES = [
    *("{{", "}}", "{{name}}", "\\", "\\{{a.b}}", "{", "}", "---", "\n", "\n---\n", "key: value\n", '"', "'"),
    *("🐈", "é", "-p a=b", "--seed 4", "$x", "?", "!ls", "%%bash", "\r", "\r\n", "\u2028", "\x85", "\0"),
    *(">>> ", "... ", "In [1]: ", "#", "null", "{}", "[]", "\\n", "\ud800", "\ufeff", " ", "\t", "word"),
]
HOSTILE = st.lists(st.sampled_from(PIECES)).map("".join)
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,8}", fullmatch=True) | st.sampled_from(
    ["prompt", "seed", "image_url"]
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.integers()
    | HOSTILE
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | HOSTILE, inner, max_size=3),
    max_leaves=6,
)
ENDPOINT = "fal-ai/flux/schnell"


def sent_by(cell: str) -> tuple[str, dict[str, Any]]:
    """What a cell sends, read as IPython hands it to the magic."""
    code = TransformerManager().transform_cell(cell)  # type: ignore[no-untyped-call]
    taken: list[tuple[str, str, str]] = []

    class Shell:
        def run_cell_magic(self, *parts: str) -> None:
            taken.append((parts[0], parts[1], parts[2]))

    exec(code, {"get_ipython": Shell})  # noqa: S102 - it is IPython's own translation
    ((name, line, body),) = taken
    assert name == "generate"
    request = parse(line, body)
    return request.endpoint, request.filled({})


@given(st.dictionaries(NAMES, JSON, max_size=4))
@settings(max_examples=120)
def test_a_cell_is_read_as_what_it_was_written_from(given_input: dict[str, Any]) -> None:
    """Whatever an input holds, its cell sends the same to the same endpoint, types included."""
    endpoint, sent = sent_by(cell_for(ENDPOINT, given_input))

    assert endpoint == ENDPOINT
    assert json.dumps(sent, sort_keys=True) == json.dumps(given_input, sort_keys=True)


@given(HOSTILE, HOSTILE)
@example("a cat\n ", "")
@example("a cat\n\n", "")
@example("   a cat", " ")
@example("\n a cat", "\n")
@settings(max_examples=120)
def test_every_prompt_comes_back(prompt: str, negative: str) -> None:
    """Braces, rules, quotes, prompts of a shell, line ends and half characters come back as they were."""
    given_input = {"prompt": prompt, "negative_prompt": negative, "seed": 7}

    assert sent_by(cell_for(ENDPOINT, given_input)) == (ENDPOINT, given_input)


def test_a_plain_prompt_stands_below_as_one_writes_it() -> None:
    """An everyday cell looks like one that was typed."""
    cell = cell_for(
        ENDPOINT, {"prompt": "a cat,\n  on a mat", "seed": 7, "num_images": 2, "size": "square hd"}
    )

    assert cell == f'%%generate {ENDPOINT} --seed 7 -p num_images=2 -p size="square hd"\na cat,\n  on a mat'


@pytest.mark.parametrize(
    "given_input",
    [{"two words": 1}, {"9": 1}, {"": 1}, {"a=b": "c"}, {"n": 10**2000}, {"prompt": "x", "a\nb": 1}],
)
def test_names_that_no_cell_can_hold_become_python(given_input: dict[str, Any]) -> None:
    """What the magic cannot write is a call of the client, with the same input."""
    called: list[tuple[str, dict[str, Any]]] = []
    cell = cell_for(ENDPOINT, given_input)

    class Client:
        def run(self, endpoint: str, arguments: dict[str, Any]) -> None:
            called.append((endpoint, arguments))

    exec(cell.replace("nbkit.Client()", "client"), {"client": Client()})  # noqa: S102 - it is what was just written
    assert called == [(ENDPOINT, given_input)]
