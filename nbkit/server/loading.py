"""From an entry's `model` to the function that computes it, in a worker."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from nbkit.endpoints.code import file_of, module_of, unpickled
from nbkit.endpoints.declare import keeping_faulty
from nbkit.errors import InputError, ServerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbkit.server.code_store import CodeStore


class Loader:
    """Loads users' code once, and lets it go when there is newer code for the same endpoint.

    So what a function keeps for itself (weights under `functools.cache`) is there for the next request.

    Args:
        code: Where the code is.
    """

    def __init__(self, code: CodeStore) -> None:
        self._code = code
        self._functions: dict[str, tuple[str, Any]] = {}  # endpoint → digest, function
        self._modules: dict[str, tuple[str, Any]] = {}  # file → digest, module

    def load(self, model: str, endpoint: str = "") -> Callable[..., Any]:
        """The function behind `Entry.model`.

        Args:
            model: As `Entry.model` says it.
            endpoint: The endpoint's id.

        Raises:
            ServerError: The code is not here, or has no such endpoint.
            Exception: Whatever the code raises while it is loaded.
        """
        try:
            with keeping_faulty():  # what is wrong with one function of a file is no matter of the others
                found = self._found(model, endpoint)
        except InputError as error:
            # Else it would be told as an error of the request's input.
            raise ServerError(f"the code of {endpoint} cannot be loaded: {error}") from error
        function: Callable[..., Any] = getattr(found, "compute", found)
        return function

    def _found(self, model: str, endpoint: str) -> Any:
        kind, _, rest = model.partition(":")
        if kind == "pickle":
            found = _kept(self._functions, endpoint, rest, lambda: unpickled(self._code.get(rest)))
        elif kind == "source":
            digest, _, name = rest.partition(":")
            content = self._code.get(digest)
            module = _kept(self._modules, file_of(content), digest, lambda: module_of(content))
            found = getattr(module, name, None)
        else:
            found = getattr(importlib.import_module(kind), rest)
        if found is None:
            raise ServerError(f"the file of {endpoint} has no {rest.rpartition(':')[2]!r} any more")
        return found


def _kept(loaded: dict[str, tuple[str, Any]], name: str, digest: str, load: Callable[[], Any]) -> Any:
    """What was loaded under a name, where it is of this digest, else loaded anew."""
    if name not in loaded or loaded[name][0] != digest:
        loaded.pop(name, None)  # before the new is loaded: both at once may not fit into memory
        loaded[name] = digest, load()
    return loaded[name][1]
