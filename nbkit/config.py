"""Where nbkit keeps things on this machine."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def data_dir() -> Path:
    """Folder of what must not be lost (results, history): `NBKIT_HOME`, or the user's data folder."""
    home = os.environ.get("NBKIT_HOME")
    return Path(home).expanduser() if home else platformdirs.user_data_path("nbkit", appauthor=False)


def cache_dir() -> Path:
    """Folder of what can be fetched again (model weights): `NBKIT_CACHE`, or the user's cache folder."""
    cache = os.environ.get("NBKIT_CACHE")
    return Path(cache).expanduser() if cache else platformdirs.user_cache_path("nbkit", appauthor=False)
