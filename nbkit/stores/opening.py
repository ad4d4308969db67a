"""A store by its address."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nbkit.stores.address import check_url, folder_of

if TYPE_CHECKING:
    from nbkit.stores.store import Store


def open_store(url: str) -> Store:
    """The store at an address. Nothing is asked of it yet.

    Args:
        url: `file:///…`, or any address for which fsspec has a driver.

    Raises:
        ConfigError: That is no address, or its driver is not installed.
    """
    url = check_url(url)
    if folder := folder_of(url):
        from nbkit.stores.folder import FolderStore

        return FolderStore(Path(folder))
    from nbkit.stores.remote import RemoteStore

    return RemoteStore(url)


def split(url: str) -> tuple[str, str]:
    """The address of a file's folder, and its name there.

    Raises:
        ConfigError: It is no address of a file.
    """
    from nbkit.errors import ConfigError
    from nbkit.stores.address import shown

    folder, _, name = check_url(url).rpartition("/")
    if not name or name.startswith(".") or folder.endswith(":/"):
        raise ConfigError(f"{shown(url)} names no file", hint="write it as s3://bucket/folder/NAME.zip")
    return folder, name
