"""Keys: where they are looked for, and a type that does not give them away."""

from __future__ import annotations

import contextlib
import functools
import hmac
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from nbkit.dotenv import find_dotenv, read_dotenv
from nbkit.errors import CredentialsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_SERVICE = "nbkit"  # under which the system's keyring keeps them
WAYS_TO_GIVE_A_KEY = "set FAL_KEY, write it into a .env file, run `%nbkit connect fal`, or pass key=…"
_SECRET_NAME = re.compile(r"(^|_)(KEY|TOKEN|SECRET|PASSWORD)$")
_SHORTEST = 12  # a shorter one is a word, and stands everywhere


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
        _used.add(self)

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


@dataclass(frozen=True, slots=True)
class Lock:
    """What a key is for.

    Attributes:
        title: What people call it.
        name: What its key is kept under. Where it names an address, the key is found for no other.
        variable: The environment variable that may hold the key instead.
    """

    title: str
    name: str
    variable: str


FAL = Lock("fal", "fal", "FAL_KEY")


_used: set[Key] = set()


def used_keys() -> frozenset[str]:
    """Every key that was used in this process, and the secret half of those that have two."""
    return _to_hide({key.reveal() for key in tuple(_used)})


def find_fal_key(explicit: str | Key | None = None, environ: Mapping[str, str] | None = None) -> Key | None:
    """The key for fal, from the first place that has one; None if there is none.

    The places: the one given; the one typed at `%nbkit connect fal`; `FAL_KEY`; `FAL_KEY_ID` with `FAL_KEY_SECRET`;
    the same names in a `.env` file of the working folder or of its project; Colab's secret `FAL_KEY`; the system's
    keyring. With `NBKIT_KEYS=environment` files, Colab and keyring are left alone.

    Args:
        explicit: The one given.
        environ: The environment; the process's where it is not given.

    Raises:
        CredentialsError: What was found cannot be a key.
    """
    if isinstance(explicit, Key):
        return explicit
    if explicit is not None:
        return Key(explicit, "key=")
    env = os.environ if environ is None else environ
    if key := (_typed.get(FAL.name) or _named_in(env)):
        return key
    if os.environ.get("NBKIT_KEYS") == "environment":
        return None
    return next(_found_elsewhere(), None)


def _named_in(names: Mapping[str, str], where: str = "") -> Key | None:
    if value := names.get("FAL_KEY"):
        return Key(value, f"FAL_KEY{where}")
    if (key_id := names.get("FAL_KEY_ID")) and (secret := names.get("FAL_KEY_SECRET")):
        return Key(f"{key_id}:{secret}", f"FAL_KEY_ID and FAL_KEY_SECRET{where}")
    return None


def _found_elsewhere() -> Iterator[Key]:
    for path in find_dotenv():
        if key := _named_in(read_dotenv(path), f" in {shown_path(path)}"):
            yield key
    if key := _in_colab() or _in_keyring(FAL.name):
        yield key


def shown_path(path: Path) -> str:
    """A path for people, who may pass on what they see: their home is called `~`."""
    with contextlib.suppress(ValueError, RuntimeError):
        return f"~/{path.relative_to(Path.home()).as_posix()}"
    return str(path)


def held_keys(environ: Mapping[str, str] | None = None, *, with_keyring: bool = False) -> frozenset[str]:
    """Every key that this process can see, and the secret half of those that have two, so that none is written down.

    They come from what was typed, from the environment and from `.env` files: the values of names as `…_KEY`,
    `…_TOKEN`, `…_SECRET` and `…_PASSWORD`.

    Args:
        environ: The environment; the process's where it is not given.
        with_keyring: Whether to look into the system's keyring too, which may ask its owner to unlock it.
    """
    env = os.environ if environ is None else environ
    held = {key.reveal() for key in _typed.values()}
    sources = [env]
    if os.environ.get("NBKIT_KEYS") != "environment":
        sources += [read_dotenv(path) for path in find_dotenv()]
        if with_keyring:
            _in_keyring(FAL.name)
        held |= {key.reveal() for key in _kept.values() if key}  # others than fal's once they were used
    for names in sources:
        held |= {value.strip() for name, value in names.items() if _SECRET_NAME.search(name.upper())}
    return _to_hide(held)


def _to_hide(keys: set[str]) -> frozenset[str]:
    keys = keys | {key.partition(":")[2] for key in keys}
    return frozenset(
        key for key in keys if len(key) >= _SHORTEST and key.isprintable() and key[0] not in "/~."
    )


@functools.cache
def _in_colab() -> Key | None:
    """Colab's secret. It is asked for once, because Colab then asks the user whether the notebook may have it."""
    value = None
    if "google.colab" in sys.modules:  # Colab's kernel is made of it
        with contextlib.suppress(Exception):  # there is none of that name, or the notebook may not have it
            from google.colab import userdata

            value = userdata.get("FAL_KEY")
    return Key(value, "Colab's secret FAL_KEY") if value else None


def _in_keyring(name: str) -> Key | None:
    if name not in _kept:
        value = None
        with contextlib.suppress(Exception):  # not installed, without a store behind it, or locked
            import keyring

            value = keyring.get_password(_SERVICE, name)
        _kept[name] = Key(value, "the keyring") if value else None
    return _kept[name]


def look_in_colab() -> None:
    """Ask Colab for the key now: it answers only to the thread that the user's code runs on."""
    _in_colab()


_typed: dict[str, Key] = {}
_kept: dict[str, Key | None] = {}


def typed_key(lock: Lock) -> Key | None:
    """The key that was typed for it in this process."""
    return _typed.get(lock.name)


def kept_key(lock: Lock) -> Key | None:
    """The key that the system's keyring keeps for it; None with `NBKIT_KEYS=environment`."""
    return None if os.environ.get("NBKIT_KEYS") == "environment" else _in_keyring(lock.name)


def connect(
    ask: Callable[[str], str],
    confirm: Callable[[str], str],
    lock: Lock = FAL,
    *,
    needs_keyring: bool = False,
) -> str:
    """Have a person type a key, keep it for this process, and in the keyring where they wish so.

    Args:
        ask: Asks for the key without showing what is typed.
        confirm: Asks whether to keep it.
        lock: What it is for.
        needs_keyring: Whether a key that is not kept is of no use.

    Returns:
        What became of it, as a sentence.

    Raises:
        CredentialsError: What was typed cannot be a key, or it cannot be kept and needs to be.
    """
    store = _keyring_store()
    if store is None and needs_keyring:
        raise CredentialsError(
            "there is no keyring on this machine to keep a key in",
            hint=f"pip install keyring, or set {lock.variable}, or write {lock.variable}=… into a .env file",
        )
    key = Key(ask(f"key for {lock.title} (it is not shown): "), "what was typed")
    if store and (
        needs_keyring or confirm("keep it in this machine's keyring? [y/N] ").strip().lower() in _YES
    ):
        _keep(store, lock, key)
        _kept.pop(lock.name, None)
        kept = "the key is kept in this machine's keyring"
    else:
        kept = "the key is used until this session ends"
    _typed[lock.name] = key
    return kept


_YES = ("y", "yes")


def _keep(store: Any, lock: Lock, key: Key) -> None:
    try:
        store.set_password(_SERVICE, lock.name, key.reveal())
    except Exception as error:  # noqa: BLE001 - whichever store it is, it fails in its own way
        # Its own words are left out: what a foreign store says about a key may hold the key.
        raise CredentialsError(
            f"the keyring did not take the key ({type(error).__name__})", hint=f"set {lock.variable} instead"
        ) from None


def _keyring_store() -> Any:
    """The system's keyring; None where there is none to write to."""
    with contextlib.suppress(Exception):
        import keyring

        backend = keyring.get_keyring()
        return keyring if backend.priority > 0 else None
    return None
