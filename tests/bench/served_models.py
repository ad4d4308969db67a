"""What the measured server computes: nothing, and waiting."""

from __future__ import annotations

import time
from typing import Any


def noop(_given: dict[str, Any], _job: Any) -> dict[str, Any]:
    """Give nothing at once."""
    return {}


def wait(given: dict[str, Any], _job: Any) -> dict[str, Any]:
    """Give nothing after some time."""
    time.sleep(given["seconds"])
    return {}
