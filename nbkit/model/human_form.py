"""What a paused run asks a person."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbkit.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

_TEXTS = ("paragraph", "text-input")


@dataclass(frozen=True, slots=True)
class FormInput:
    """One thing to fill in.

    Attributes:
        name: Its name.
        kind: Its kind, in the service's word: `paragraph`, `text-input`, …
        default: What it is where it is not filled in; None where it has to be.
    """

    name: str
    kind: str = ""
    default: Any = None


@dataclass(frozen=True, slots=True)
class FormAction:
    """One way to answer.

    Attributes:
        id: What it is called in an answer.
        title: What it is called on a button.
    """

    id: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class HumanForm:
    """What is asked.

    Attributes:
        title: What the workflow's author calls the step that asks.
        content: The question; `{{#$output.NAME#}}` marks the place of an input in it.
        inputs: What can be filled in.
        actions: How it can be answered.
        until: When the service stops waiting, in seconds since 1970; None where it does not say.
        token: What an answer is sent by; an empty string where it is answered elsewhere, by e-mail say.
    """

    title: str
    content: str
    inputs: tuple[FormInput, ...] = ()
    actions: tuple[FormAction, ...] = ()
    until: float | None = None
    token: str = field(default="", repr=False)

    @property
    def usage(self) -> str:
        """How it is answered by code."""
        actions = " or ".join(repr(action.id) for action in self.actions)
        inputs = "".join(f", {it.name}=…" for it in self.inputs)
        return f"run.answer({actions}{inputs})"

    def filled(self, action: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """The values of all inputs, for an answer.

        Raises:
            InputError: There is no such action or input, or an input has no value or one of another kind.
        """
        if action not in [it.id for it in self.actions]:
            raise InputError(f"{action!r:.60} is no answer to {self.title}", field="action", hint=self.usage)
        names = {it.name for it in self.inputs}
        if strange := sorted(given.keys() - names):
            raise InputError(f"{self.title} does not ask for {strange[0]}", field=strange[0], hint=self.usage)
        return {it.name: _value(it, given.get(it.name, it.default)) for it in self.inputs}


def _value(it: FormInput, value: Any) -> Any:
    if value is None:
        raise InputError(f"{it.name} has no default and has to be given", field=it.name)
    if it.kind in _TEXTS and not isinstance(value, str):
        raise InputError(f"{it.name} is a text, not {type(value).__name__}", field=it.name)
    return value
