from __future__ import annotations

from nbkit.display import table


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
