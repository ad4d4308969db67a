from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbkit.testing import faults

if TYPE_CHECKING:
    import pytest

PAGE = (Path(__file__).parent.parent.parent / "docs" / "testing.md").read_text("utf-8")


def test_every_fault_is_documented() -> None:
    """The table of faults has each of them, with what can be set and its default."""
    made = [thing for name, thing in vars(faults).items() if name != "Fault" and hasattr(thing, "around")]
    documented = re.findall(r"^\| `(\w+)\((.*?)\)`", PAGE, re.MULTILINE)

    assert {name for name, _ in documented} == {it.__name__ for it in made}
    for name, default in documented:
        fault: Any = getattr(faults, name)()
        assert default.replace("=", " = ") == " ".join(
            f"{field} = {_plain(value)}" for field, value in vars(fault).items()
        )


def test_the_example_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of the page runs as it stands there."""
    for name in ("DIFY_BASE_URL", "DIFY_API_KEY"):
        monkeypatch.delenv(name)  # and puts back what was there
    example = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert example
    names: dict[str, Any] = {}
    exec(example[1], names)  # noqa: S102 - the page is ours

    assert names["result"].image.pil().size == (256, 256)


def _plain(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else f"{value:g}"
