"""Which Dify server an endpoint means, and the key of its app: one key is one app."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbkit.credentials import Key
from nbkit.dotenv import find_dotenv, read_dotenv
from nbkit.errors import CredentialsError
from nbkit.wire.dify.addresses import CLOUD, Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Connection:
    """One app at one server.

    Attributes:
        place: Where the server is.
        key: The app's key.
    """

    place: Place
    key: Key


def find_connection(name: str, environ: Mapping[str, str] | None = None) -> Connection:
    """The connection of a name, from the environment, else from `.env` files of the working folder or its project.

    `default` is `DIFY_BASE_URL` with `DIFY_API_KEY`. Any other, `my-cat` say, is `DIFY_MY_CAT_BASE_URL` with
    `DIFY_MY_CAT_API_KEY`; where it has no address of its own, its app is at the default one's server.

    Args:
        name: Its name.
        environ: The environment; the process's where it is not given.

    Raises:
        CredentialsError: There is no such connection, or its key cannot be one.
        ConfigError: Its address is not one.
    """
    word = re.sub(r"[^A-Z0-9]", "_", name.upper())
    prefix = "DIFY_" if name == DEFAULT else f"DIFY_{word}_"
    names = dict(_settings(environ))
    address = names.get(f"{prefix}BASE_URL") or names.get("DIFY_BASE_URL")
    key = names.get(f"{prefix}API_KEY")
    if not address or not key:
        missing = f"{prefix}BASE_URL" if not address else f"{prefix}API_KEY"
        raise CredentialsError(
            f"dify/{name} is not connected: {missing} is not set",
            hint=f"set {prefix}BASE_URL ({CLOUD} for Dify's cloud) and {prefix}API_KEY (the app's key, app-…)",
        )
    return Connection(Place.of(address), Key(key, f"{prefix}API_KEY"))


def _settings(environ: Mapping[str, str] | None) -> Iterator[tuple[str, str]]:
    """What is set, with what counts most at the end."""
    env = os.environ if environ is None else environ
    if env.get("NBKIT_KEYS") != "environment":
        for path in reversed(list(find_dotenv())):
            yield from (
                (name, value) for name, value in read_dotenv(path).items() if name.startswith("DIFY_")
            )
    yield from ((name, value) for name, value in env.items() if name.startswith("DIFY_") and value)
