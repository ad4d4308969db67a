from __future__ import annotations

import subprocess
import sys

from nbkit.history.orphans import count_orphans
from tests.orphans import leave


def test_what_a_notebook_left_is_counted() -> None:
    """Runs whose kernel has ended count, for their own notebook."""
    assert count_orphans("") == 0
    leave("https://queue.example")
    leave("https://queue.example", "")

    assert (count_orphans(""), count_orphans("other.ipynb")) == (2, 0)


def test_counting_loads_next_to_nothing() -> None:
    """It is done whenever a notebook begins."""
    program = """
import sys
import nbkit.history.orphans
slow = [name for name in ("httpx", "aiohttp", "PIL", "IPython", "nbkit.history.record") if name in sys.modules]
assert not slow, slow
"""
    subprocess.run([sys.executable, "-c", program], check=True)
