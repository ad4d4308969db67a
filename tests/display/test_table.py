from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nbkit.display import table

if TYPE_CHECKING:
    import pytest


def test_a_terminal_table_lines_up_in_any_script() -> None:
    """Columns line up with Latin, Chinese and emoji in them."""
    lines = table.text([("夕日の浜辺", 1), ("cat", 2), ("🐈", 3)]).splitlines()

    assert len({table.columns_of(line) for line in lines}) == 1


def test_a_long_value_is_cut_in_a_terminal() -> None:
    """A prompt of a thousand words takes one line."""
    line = table.text([("prompt", "word " * 1000)])

    assert len(line.splitlines()) == 1
    assert len(line) < 140


def test_a_long_value_unfolds_in_a_page() -> None:
    """A long value shows its beginning and opens on a click."""
    page = table.html([("prompt", "word " * 100)])

    assert page.count("<details>") == 1


def test_an_enormous_value_is_cut_and_says_so() -> None:
    """A value of a million characters does not make a notebook of a million characters."""
    page = table.html([("data", "x" * 1_000_000)])

    assert len(page) < 25_000
    assert "980,000 more characters" in page


ROWS = [
    (
        "prompt",
        "string",
        "required",
        "A sentence that says what is to be seen in the picture, and how it is lit",
    ),
    (
        "negative_prompt",
        "string",
        "",
        "~/pictures/a-folder-with-a-very-long-name/a-file-with-a-long-name-too.png",
    ),
    ("夕日", "number", "7.5", "How closely the picture follows the sentence"),
]


def test_a_narrow_terminal_gets_narrow_columns() -> None:
    """In sixty columns long cells go on in the next line, under themselves, and no word is broken or lost."""
    lines = table.text(ROWS, ("input", "type", "default", "meaning"), width=60).splitlines()
    path = ROWS[1][3]
    place = table.columns_of(lines[1].partition("A sentence")[0])

    assert all(table.columns_of(line) <= 60 for line in lines if path not in line)
    assert sum(path in line for line in lines) == 1
    assert lines[2][:place].strip() == ""
    assert sorted(" ".join(lines).split()) == sorted(
        " ".join(["input type default meaning", *(cell for row in ROWS for cell in row)]).split()
    )


def test_only_a_terminal_narrows_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written into a file or a notebook has its whole width, whatever the terminal's."""
    monkeypatch.setenv("COLUMNS", "60")
    whole = table.text(ROWS)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)

    assert len(whole.splitlines()) == len(ROWS)
    assert table.text(ROWS) == table.text(ROWS, width=60) != whole


def test_a_page_breaks_no_word() -> None:
    """`number` is never written as `numbe` and `r`; an address may be broken, as it would push the rest away."""
    page = table.html([("seed", "number", "https://example.com/a/very/long/address")], ("a", "b", "c"))
    cells = re.findall(r"<td style=\"([^\"]*)\">", page)

    assert ["overflow-wrap" in cell for cell in cells] == [False, False, True]
