"""Users' code as bytes that a worker on any machine can load: a function of a notebook, or a file.

Either is one line of JSON, which says where it comes from, and the code itself behind it.
"""

from __future__ import annotations

import copyreg
import dataclasses
import functools
import importlib.util
import io
import json
import linecache
import pickle
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from nbkit.errors import ConfigError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_PICKLED = 64 * 2**20
"""Bytes of a function with all that it carries along."""


def pickled(thing: Any, name: str) -> bytes:
    """A function and what it needs of its notebook.

    Args:
        thing: The function, or what holds it.
        name: What it is called, for errors.

    Raises:
        InputError: It carries along something that cannot be sent, or too much.
    """
    content = io.BytesIO()
    content.write(_head({"path": [folder for folder in sys.path if folder]}))
    pickler = _pickler(content)
    try:
        pickler.dump(thing)
    except Exception as error:
        culprit = next((it for it, value in _used(thing).items() if not _size(value)), "")
        raise InputError(
            f"{name} uses {f'{culprit!r}, which' if culprit else 'something that'} cannot be sent to the server: "
            f"{_first_line(error)}",
            hint="make it inside the function, or in a function of its own under functools.cache",
        ) from error
    if content.tell() > MOST_PICKLED:
        sizes = {it: _size(value) for it, value in _used(thing).items()}
        largest = max(sizes, key=lambda it: sizes[it], default="")
        raise InputError(
            f"{name} carries {content.tell() / 2**20:.0f} MiB along, and may carry {MOST_PICKLED / 2**20:.0f} MiB; "
            f"the largest is {largest!r} ({sizes.get(largest, 0) / 2**20:.0f} MiB)",
            hint="load it inside the function, in a function of its own under functools.cache",
        )
    return content.getvalue()


def unpickled(content: bytes) -> Any:
    """What `pickled` took. It runs code: only for what comes from whom one trusts."""
    about, code = _split(content)
    sys.path.extend(folder for folder in about["path"] if folder not in sys.path)
    return pickle.loads(code)  # noqa: S301 - the server's own key guards who may bring it


def source_of(path: Path) -> bytes:
    """A user's file.

    Raises:
        OSError: It cannot be read.
    """
    return _head({"file": str(path.resolve())}) + path.read_bytes()


def module_of(content: bytes) -> ModuleType:
    """Import what `source_of` took, under its file's name, beside the files that lie there.

    Raises:
        Exception: Whatever the code raises.
    """
    about, code = _split(content)
    path = Path(about["file"])
    folder = str(path.parent)
    if path.parent.is_dir() and folder not in sys.path:
        sys.path.insert(0, folder)
    module = ModuleType(path.stem)
    module.__file__ = str(path)
    text = importlib.util.decode_source(code)
    # Tracebacks show the lines that ran, which may not be those that stand in the file now.
    linecache.cache[str(path)] = (len(text), None, text.splitlines(keepends=True), str(path))
    before = sys.modules.get(path.stem)
    if before is None or getattr(before, "__file__", None) == str(path):
        sys.modules[path.stem] = module
    try:
        exec(compile(text, str(path), "exec"), module.__dict__)  # noqa: S102 - a module is code that is run
    except BaseException:
        if before is None:
            sys.modules.pop(path.stem, None)
        raise
    return module


def file_of(content: bytes) -> str:
    """Where a user's file stood, or stands."""
    return str(_split(content)[0]["file"])


def _head(about: dict[str, Any]) -> bytes:
    return json.dumps(about).encode("ascii") + b"\n"


def _split(content: bytes) -> tuple[dict[str, Any], bytes]:
    head, _, code = content.partition(b"\n")
    about: dict[str, Any] = json.loads(head)
    return about, code


def _pickler(target: io.BytesIO) -> pickle.Pickler:
    try:
        import cloudpickle
    except ModuleNotFoundError as error:
        raise ConfigError(
            "a function of a notebook needs cloudpickle", hint="pip install 'nbkit-media[local]'"
        ) from error

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
        """Takes functions under `functools.cache` along too, with an empty cache, and dataclasses whole."""

        def reducer_override(self, thing: Any) -> Any:
            if thing is dataclasses.MISSING:
                return "MISSING"  # by its name: a copy of it would be taken for a default
            if isinstance(thing, type) and thing.__module__ == "__main__":
                # Else the first instance has it noted in the class, and the same function has two digests.
                copyreg._slotnames(thing)  # type: ignore[attr-defined] # noqa: SLF001 - there is no public way
            if isinstance(thing, functools._lru_cache_wrapper) and thing.__module__ == "__main__":  # noqa: SLF001
                return _cached, (thing.__wrapped__, thing.cache_parameters())
            return super().reducer_override(thing)

    made: pickle.Pickler = Pickler(target)
    return made


def _cached(function: Callable[..., Any], parameters: dict[str, Any]) -> Any:
    return functools.lru_cache(**parameters)(function)


def _used(thing: Any) -> dict[str, Any]:
    """The globals and closed-over values that a function names."""
    import inspect

    try:
        used = inspect.getclosurevars(inspect.unwrap(thing))
    except (TypeError, ValueError):
        return {}
    return {**used.globals, **used.nonlocals}


def _size(value: Any) -> int:
    """The bytes that a value takes on its way, 0 where it cannot be sent."""
    content = io.BytesIO()
    try:
        _pickler(content).dump(value)
    except Exception:  # noqa: BLE001 - whatever is in the way
        return 0
    return content.tell()


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:300]}"
