"""The endpoints that a server answers, and how to find one."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbkit.errors import ConfigError, InputError
from nbkit.model.endpoint import Endpoint
from nbkit.server.validation import check_schema, problems, with_defaults

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nbkit.wire.fal.graph import Graph


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One endpoint: what it takes, what it gives and what computes it.

    Attributes:
        id: The endpoint's id.
        title: Its name for people.
        description: What it does, in a sentence or two.
        category: fal's word for its kind (`text-to-image`, `image-to-image`).
        input: JSON Schema of its input.
        output: JSON Schema of its output. What a model gives beyond it is dropped.
        model: What computes it: the dotted path of a function (`package.module:function`), one of a user's file
            (`source:<sha256>:<name>`) or of a notebook (`pickle:<sha256>`), or an empty string for a workflow.
        graph: Its steps, for a workflow.
        stand_in: The local model that answers in place of the real endpoint, an empty string where the
            endpoint is nbkit's own.
        resources: What a worker must have to compute it, by name (`GPU`), and how much of it.
        time_limit: Seconds that one request may compute, None for as long as the server allows.
        memory_limit: Bytes that its worker may hold, None for as many as the server allows.
        checks_itself: Whether what computes it judges its input; its schema then is for people, and may say anything.
    """

    id: str
    title: str
    description: str
    category: str
    input: dict[str, Any]
    output: dict[str, Any]
    model: str = ""
    graph: Graph | None = None
    stand_in: str = ""
    resources: dict[str, float] = field(default_factory=dict)
    time_limit: float | None = None
    memory_limit: int | None = None
    checks_itself: bool = False

    def __post_init__(self) -> None:
        if bool(self.model) == bool(self.graph):
            raise ConfigError(f"endpoint {self.id} needs either a model or a graph")
        if not self.checks_itself:
            check_schema(self.input, self.id)

    def judged(self, given: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """An input as it is computed, its defaults filled in, and what is wrong with it."""
        if self.checks_itself:
            return given, []
        whole = with_defaults(given, self.input)
        return whole, problems(whole, self.input)


class UnknownEndpoint(InputError):
    """An endpoint that is not here; the message names the nearest that are."""


class Catalogue:
    """A set of endpoints by id."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries = {entry.id: entry for entry in entries}

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def add(self, entry: Entry) -> None:
        """Answer one more endpoint, or this in place of the one that has its id."""
        self._entries[entry.id] = entry

    def remove(self, name: str) -> None:
        """Answer an endpoint no more."""
        self._entries.pop(name, None)

    def find(self, name: str) -> Entry:
        """The entry of an id as it stands in an address; slashes at its ends do not matter.

        Raises:
            UnknownEndpoint: There is none.
        """
        try:
            return self._entries[str(Endpoint.parse(name))]
        except (InputError, KeyError):
            nearest = ", ".join(self._nearest(name))
            raise UnknownEndpoint(
                f"Endpoint {name[:120]!r} is not served on this machine. The nearest here: {nearest}.",
                field="endpoint",
            ) from None

    def _nearest(self, name: str) -> tuple[str, ...]:
        close = difflib.get_close_matches(name[:120], self._entries, n=3, cutoff=0.5)
        return tuple(
            close or [known for known in self._entries if known.startswith("local/")] or self._entries
        )
