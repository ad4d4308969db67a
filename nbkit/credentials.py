"""Keys: where they are looked for, and a type that does not give them away."""

from __future__ import annotations

import hmac
import os
from typing import TYPE_CHECKING, Any, NoReturn

from nbkit.errors import CredentialsError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Key:
    """A secret that cannot be printed, pickled or written as JSON by accident."""

    __slots__ = ("__value", "source")

    def __init__(self, value: str, source: str) -> None:
        clean = value.strip()
        if not clean or not clean.isascii() or not clean.isprintable() or " " in clean:
            raise CredentialsError(
                f"the key from {source} is not a key: it is empty or has characters no key has"
            )
        self.__value = clean
        self.source = source

    def reveal(self) -> str:
        """The secret itself, for the one place that writes it into a header."""
        return self.__value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and hmac.compare_digest(self.__value, other.__value)

    def __hash__(self) -> int:
        return hash(self.__value)

    def __repr__(self) -> str:
        return f"<key from {self.source}>"

    def __reduce_ex__(self, _protocol: Any) -> NoReturn:
        raise TypeError("a key is not written to files")


def find_fal_key(explicit: str | Key | None = None, environ: Mapping[str, str] | None = None) -> Key | None:
    """The key for fal: the one given, else `FAL_KEY`, else `FAL_KEY_ID` with `FAL_KEY_SECRET`; None if there is none.

    Raises:
        CredentialsError: What was found cannot be a key.
    """
    if isinstance(explicit, Key):
        return explicit
    if explicit is not None:
        return Key(explicit, "key=")
    env = os.environ if environ is None else environ
    if value := env.get("FAL_KEY"):
        return Key(value, "FAL_KEY")
    if (key_id := env.get("FAL_KEY_ID")) and (secret := env.get("FAL_KEY_SECRET")):
        return Key(f"{key_id}:{secret}", "FAL_KEY_ID and FAL_KEY_SECRET")
    return None
