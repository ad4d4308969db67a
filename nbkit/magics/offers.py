"""What TAB can offer of an endpoint: from memory alone, so that nobody waits while typing."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from nbkit.display.escape import clean
from nbkit.endpoints.declare import declared
from nbkit.errors import InputError
from nbkit.magics.values import read
from nbkit.model.schema import Schema
from nbkit.providers.dify_connection import connections

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from nbkit.client.client import Client

_AGAIN = 30.0
_MOST = 300
_LONGEST = 80
_DEEPEST = 8


class Offers:
    """Inputs of endpoints, and the names of connections. What is not known yet is asked for behind the typing.

    Args:
        client: Gives the client that asks; it is called on another thread.
    """

    def __init__(self, client: Callable[[], Client]) -> None:
        self._client = client
        self._inputs: dict[str, dict[str, tuple[str, ...]]] = {}
        self._connections: tuple[str, ...] = ()
        self._workflows: tuple[str, ...] = ()
        self._asked: dict[str, float] = {}

    def inputs(self, endpoint: str) -> Mapping[str, tuple[str, ...]]:
        """The names of an endpoint's inputs, each with the values it is known to take, as a cell writes them."""
        if function := declared(endpoint):
            return words_of(Schema(endpoint, function.facts["title"], function.facts["input"]))
        # Colab asks people whether a notebook may have its key; pressing TAB is no reason for that.
        if endpoint not in self._inputs and "google.colab" not in sys.modules:
            self._behind(endpoint, lambda: self._learn_inputs(endpoint))
        return self._inputs.get(endpoint, {})

    def connections(self) -> tuple[str, ...]:
        """The endpoints `dify/…` that are connected."""
        self._behind("", self._learn_connections)
        return self._connections

    def workflows(self) -> tuple[str, ...]:
        """The endpoints `workflows/…` that the account has published."""
        if "google.colab" not in sys.modules:
            self._behind("workflows/", self._learn_workflows)
        return self._workflows

    def _behind(self, what: str, work: Callable[[], None]) -> None:
        """Do something on a thread of its own, unless that was done a moment ago."""
        now = time.monotonic()
        if now - self._asked.get(what, -_AGAIN) >= _AGAIN:
            self._asked[what] = now
            threading.Thread(target=_quietly, args=(work,), name="nbkit-offers", daemon=True).start()

    def _learn_inputs(self, endpoint: str) -> None:
        self._inputs[endpoint] = words_of(self._client().schema(endpoint))

    def _learn_workflows(self) -> None:
        from nbkit.workflows.publishing import published

        self._workflows = tuple(published(self._client()))

    def _learn_connections(self) -> None:
        self._connections = tuple(f"dify/{name}" for name in connections())


def _quietly(work: Callable[[], None]) -> None:
    with contextlib.suppress(Exception):  # a service that cannot be asked offers nothing
        work()


def words_of(schema: Schema) -> dict[str, tuple[str, ...]]:
    """The names of a schema's inputs, and the values of each that can be listed."""
    return {
        it.name: tuple(dict.fromkeys(filter(None, map(written, _values(it.schema)))))[:_MOST]
        for it in schema.fields[:_MOST]
        if it.name.isidentifier() and len(it.name) <= _LONGEST
    }


def _values(schema: Mapping[str, Any], depth: int = 0) -> Iterator[Any]:
    enum, branches = schema.get("enum"), schema.get("anyOf")
    yield from enum[:_MOST] if isinstance(enum, list) else ()
    if schema.get("type") == "boolean":
        yield from (True, False)
    for branch in branches[:_MOST] if isinstance(branches, list) and depth < _DEEPEST else ():
        if isinstance(branch, dict):
            yield from _values(branch, depth + 1)
    if "default" in schema:
        yield schema["default"]


def written(value: Any) -> str:
    """A single value as a cell writes it; an empty string for what is no such value, or takes too much room."""
    if value is None or not isinstance(value, (str, int, float)):
        return ""
    for word in (value if isinstance(value, str) else "", json.dumps(value, ensure_ascii=False)):
        if word and len(word) <= _LONGEST and clean(word) == word and _means(word, value):
            return word
    return ""


def _means(word: str, value: Any) -> bool:
    with contextlib.suppress(InputError):
        meant, end = read(word, 0)
        return end == len(word) and type(meant) is type(value) and bool(meant == value)
    return False
