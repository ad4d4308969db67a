"""What an experiment varies: one axis is a name, its values, and what a value does to a request."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Protocol

from nbkit.errors import InputError
from nbkit.experiments.ranges import MOST_VALUES, is_range, read_range

ENDPOINT = "endpoint"
SEED = "seed"
_MOST_PERMUTED = 7
_LONGEST_LABEL = 200


@dataclass(slots=True)
class Request:
    """One request in the making: what the axes change one after the other.

    Attributes:
        endpoint: What is called.
        input: Its input.
    """

    endpoint: str
    input: dict[str, Any]


def copied(value: Any) -> Any:
    """A value whose lists and objects are its own; files and pictures in it are shared."""
    if isinstance(value, dict):
        return {name: copied(inner) for name, inner in value.items()}
    return [copied(inner) for inner in value] if isinstance(value, list) else value


class Change(Protocol):
    """What one value of an axis does."""

    def apply(self, request: Request) -> None:
        """Do it.

        Raises:
            InputError: It cannot be done to this request.
        """


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis.

    Attributes:
        name: What it varies, as people call it.
        labels: Its values, for people; each another.
        values: Its values, as they were given.
        changes: What they do.
        fields: The inputs that it touches; empty for the endpoint.
    """

    name: str
    labels: tuple[str, ...]
    values: tuple[Any, ...] = field(repr=False)
    changes: tuple[Change, ...] = field(repr=False)
    fields: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)


class Kind(Protocol):
    """A way to vary something else than a single input."""

    def axis(self, name: str) -> Axis:
        """The axis, by the name that it was given."""


@dataclass(frozen=True, slots=True)
class Replace:
    """Looks for the first text and puts each of the texts in its place; the first one stays as one of the values.

    Args:
        search: What stands in the prompt.
        words: What else is to stand there.
        field: The input to look in.
    """

    search: str
    words: tuple[str, ...]
    field: str = "prompt"

    def __init__(self, search: str, *words: str, field: str = "prompt") -> None:
        object.__setattr__(self, "search", search)
        object.__setattr__(self, "words", words)
        object.__setattr__(self, "field", field)

    def axis(self, name: str) -> Axis:
        """The axis, by the name that it was given."""
        if not self.search:
            raise InputError(f"{name}: there is nothing to look for", field=name)
        words = (self.search, *self.words)
        return _axis(
            name, words, [_Substitution(self.field, self.search, word) for word in words], self.field
        )


@dataclass(frozen=True, slots=True)
class Permute:
    """Puts some words of the prompt into every order; the places where they stand stay the same.

    Args:
        words: Words or phrases that stand in the prompt, two to seven of them.
        field: The input they stand in.
    """

    words: tuple[str, ...]
    field: str = "prompt"

    def __init__(self, *words: str, field: str = "prompt") -> None:
        object.__setattr__(self, "words", words)
        object.__setattr__(self, "field", field)

    def axis(self, name: str) -> Axis:
        """The axis, by the name that it was given."""
        if not 1 < len(self.words) <= _MOST_PERMUTED or len(set(self.words)) < len(self.words):
            raise InputError(f"{name}: to permute takes two to {_MOST_PERMUTED} different words", field=name)
        orders = list(itertools.permutations(self.words))
        changes = [_Order(self.field, self.words, order) for order in orders]
        return _axis(name, orders, changes, self.field, labels=[" · ".join(order) for order in orders])


@dataclass(frozen=True, slots=True)
class Presets:
    """Sets several inputs at once: each name stands for an object of inputs.

    Args:
        named: Name → inputs.
    """

    named: Mapping[str, Mapping[str, Any]]

    def axis(self, name: str) -> Axis:
        """The axis, by the name that it was given."""
        changes = [_Several({**inputs}) for inputs in self.named.values()]
        fields = {field: None for inputs in self.named.values() for field in inputs}
        return _axis(name, list(self.named.values()), changes, *fields, labels=[*self.named])


def read_axis(name: str, given: Any) -> Axis:
    """The axis of a name.

    Args:
        name: An input's name, `image_size.width` for one inside of an object, or `endpoint`; any word for `Replace`,
            `Permute` and `Presets`.
        given: Its values: a list, a text such as `1-10 (+2)`, an array, or a mapping of labels to values.

    Raises:
        InputError: It has no values, too many, the same one twice, or one that is no value.
    """
    if not str(name).strip():
        raise InputError(f"an axis is named by the input that it varies, not {name!r:.40}")
    if isinstance(given, (Replace, Permute, Presets)):
        return given.axis(name)
    labels: list[str] | None = None
    if isinstance(given, Mapping):
        labels, given = [str(label) for label in given], list(given.values())
    values = _values(name, given)
    for value in values:
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"{name}: {value} is not a value that can be sent", field=name)
    if name == ENDPOINT:
        return _axis(name, values, [_Endpoint(_word(name, value)) for value in values], labels=labels)
    return _axis(name, values, [_Setting(name, value) for value in values], name, labels=labels)


def _values(name: str, given: Any) -> list[Any]:
    if isinstance(given, str):
        if is_range(given):
            return list(read_range(given, name))
        raise InputError(
            f"{name}: {given[:60]!r} is one text and no range",
            field=name,
            hint=f'several values are a list: "{name}": ["…", "…"]; numbers may be written 1-10 (+2) or 0-1 [5]',
        )
    if isinstance(given, (bytes, bytearray)) or not isinstance(given, Iterable):
        raise InputError(
            f"{name}: {type(given).__name__} is no list of values", field=name, hint="write [value, value, …]"
        )
    # An array gives its own numbers, which are none that JSON can hold; a generator may have no end.
    return list(itertools.islice(given.tolist() if hasattr(given, "tolist") else given, MOST_VALUES + 1))


def _axis(
    name: str,
    values: Sequence[Any],
    changes: Sequence[Change],
    *fields: str,
    labels: Sequence[str] | None = None,
) -> Axis:
    if not values:
        raise InputError(f"{name}: an axis needs at least one value", field=name)
    if len(values) > MOST_VALUES:
        raise InputError(f"{name}: {len(values):,} values are more than {MOST_VALUES:,}", field=name)
    named = [label_of(value) for value in values] if labels is None else [str(it) for it in labels]
    if twice := sorted(
        {label for label in named if named.count(label) > 1} if len(set(named)) < len(named) else ()
    ):
        raise InputError(
            f"{name}: {twice[0][:60]} stands there twice", field=name, hint="each value is run once"
        )
    return Axis(name, tuple(named), tuple(values), tuple(changes), fields)


def label_of(value: Any) -> str:
    """A value of an axis, as people are shown it."""
    if isinstance(value, PurePath):
        return value.name
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "none"}[value]
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    text = " ".join(str(value).split()) or '""'
    if len(text) <= _LONGEST_LABEL:
        return text
    half = _LONGEST_LABEL // 2
    return f"{text[: half - 1]}…{text[-half:]}"  # prompts often differ at their ends alone


def _word(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InputError(f"{name}: {value!r:.60} is no endpoint", field=name)
    return value


@dataclass(frozen=True, slots=True)
class _Endpoint:
    endpoint: str

    def apply(self, request: Request) -> None:
        request.endpoint = self.endpoint


@dataclass(frozen=True, slots=True)
class _Setting:
    """Sets one input, also one inside of others: `loras.0.scale`."""

    place: str
    value: Any

    def apply(self, request: Request) -> None:
        *outer, last = self.place.split(".")
        inside: Any = request.input
        for step in outer:
            inside = (
                inside.setdefault(step, {}) if isinstance(inside, dict) else _item(inside, step, self.place)
            )
        value = copied(self.value)
        if isinstance(inside, dict):
            inside[last] = value
        else:
            _item(inside, last, self.place)
            inside[int(last)] = value


@dataclass(frozen=True, slots=True)
class _Several:
    inputs: dict[str, Any]

    def apply(self, request: Request) -> None:
        for place, value in self.inputs.items():
            _Setting(place, value).apply(request)


@dataclass(frozen=True, slots=True)
class _Substitution:
    place: str
    search: str
    word: str

    def apply(self, request: Request) -> None:
        text = _text(request, self.place)
        if self.search not in text:
            raise InputError(
                f"{self.search[:60]!r} does not stand in {self.place}: {text[:80]!r}", field=self.place
            )
        request.input[self.place] = text.replace(self.search, self.word)


@dataclass(frozen=True, slots=True)
class _Order:
    place: str
    words: tuple[str, ...]
    order: tuple[str, ...]

    def apply(self, request: Request) -> None:
        text = _text(request, self.place)
        spots = []
        for word in self.words:
            if (start := text.find(word)) < 0:
                raise InputError(
                    f"{word[:60]!r} does not stand in {self.place}: {text[:80]!r}", field=self.place
                )
            spots.append((start, start + len(word)))
        spots.sort()
        if any(end > start for (_, end), (start, _) in itertools.pairwise(spots)):
            raise InputError(f"the words to permute overlap in {self.place}", field=self.place)
        pieces, at = [], 0
        for (start, end), word in zip(spots, self.order, strict=True):
            pieces += [text[at:start], word]
            at = end
        request.input[self.place] = "".join(pieces) + text[at:]


def _text(request: Request, place: str) -> str:
    text = request.input.get(place)
    if not isinstance(text, str):
        raise InputError(f"{place} is no text, so nothing in it can be replaced", field=place)
    return text


def _item(inside: Any, step: str, place: str) -> Any:
    if not isinstance(inside, list) or not step.isdecimal() or int(step) >= len(inside):
        raise InputError(f"{place}: there is no {step!r} in the input", field=place)
    return inside[int(step)]
