"""A bundle that lies elsewhere, fetched before it is looked at: it is read more than once, and judged as any file."""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from nbkit.errors import InputError, MediaError
from nbkit.history.database import history_path
from nbkit.stores.address import shown
from nbkit.stores.opening import open_store, split

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST_BUNDLE = 64 * 2**30
"""Bytes."""
_SPARE = 256 * 2**20  # bytes that stay free on the disk
_LONGEST_NAME = 120


@contextlib.contextmanager
def fetched(url: str) -> Iterator[Path]:
    """A copy of a bundle, which is gone at the end.

    Raises:
        ConfigError: The address is none, or its driver is not installed.
        InputError: There is no such file.
        MediaError: It cannot be fetched, is too large, or the disk has no room for it.
    """
    folder, name = split(url)
    store = open_store(folder)
    if store.size(name) is None:
        raise InputError(f"there is no file {shown(url)}", field="bundle")
    home = history_path().parent
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home, prefix=".nbkit-") as near:
            copy = Path(near) / re.sub(r'[<>:"|?*\\]', "_", name)[-_LONGEST_NAME:]
            received = 0
            with copy.open("xb") as file:
                for block in store.blocks(name):
                    received += len(block)
                    if received > LARGEST_BUNDLE:
                        raise MediaError(f"{shown(url)} is larger than {LARGEST_BUNDLE // 2**30} GiB")
                    if shutil.disk_usage(near).free - len(block) < _SPARE:
                        raise MediaError(f"the disk of {home} has no room for {shown(url)}: free some space")
                    file.write(block)
            yield copy
    except OSError as error:
        raise MediaError(f"{home} cannot be written: {error.strerror or error}") from error
