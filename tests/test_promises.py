"""The table of promises in the local server's documentation names tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "local-server.md"
_NAMED = re.compile(r"`(tests/)?(test_\w+\.py)?(?:::)?(test_\w+)?`")


def test_every_promise_has_its_test() -> None:
    """A test that is renamed or dropped is missed by the page that leans on it."""
    text, counted = "", 0
    for at_top, file, test in _NAMED.findall(PAGE.read_text("utf-8")):
        if file:
            text = ((HERE if at_top else HERE / "server") / file).read_text("utf-8")
        if test:
            assert f"def {test}(" in text, test
            counted += 1

    assert counted > 30
