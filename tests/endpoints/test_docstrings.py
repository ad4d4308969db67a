from __future__ import annotations

import pytest

from nbkit.endpoints.docstrings import read_docstring

GOOGLE = """Draw a picture.

    Of anything
    at all.

    Args:
        prompt: What to show:
            in words.
        steps (int, optional): How many.
        **options: More.

    Returns:
        prompt: not a parameter.
    """


def test_a_docstring_is_taken_apart() -> None:
    """The first part describes the function, the section of arguments each parameter."""
    said = read_docstring(GOOGLE)

    assert said.summary == "Draw a picture.\n\nOf anything at all."
    assert said.parameters == {"prompt": "What to show: in words.", "steps": "How many.", "options": "More."}


@pytest.mark.parametrize(
    ("text", "summary"),
    [(None, ""), ("", ""), ("One line.", "One line."), ("A\n:param x: y", "A :param x: y"), ("Args:\n", "")],
)
def test_other_texts_are_summary(text: str | None, summary: str) -> None:
    """A docstring in another style, or none, breaks nothing."""
    assert read_docstring(text) == (summary, {})
