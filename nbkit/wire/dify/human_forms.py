"""What a workflow asks a person: in events, among the reasons of a pause, and as the server describes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbkit.model.human_form import FormAction, FormInput, HumanForm

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def read_form(data: Mapping[str, Any]) -> HumanForm:
    """Read a form; what makes no sense in it is left out."""
    resolved = data.get("resolved_default_values")
    until = data.get("expiration_time")
    is_time = isinstance(until, (int, float)) and not isinstance(until, bool)
    return HumanForm(
        _text(data.get("node_title")) or _text(data.get("node_id")),
        _text(data.get("form_content")),
        tuple(_inputs(data.get("inputs"), resolved if isinstance(resolved, dict) else {})),
        tuple(
            FormAction(_text(it["id"]), _text(it.get("title")))
            for it in _objects(data.get("actions") or data.get("user_actions"))
            if _text(it.get("id"))
        ),
        float(until) if is_time and until is not None else None,
        _text(data.get("form_token")),
    )


def form_id(data: Mapping[str, Any]) -> str:
    """What tells one form of a run from another."""
    return _text(data.get("form_id")) or _text(data.get("node_id"))


def paused_forms(data: Mapping[str, Any]) -> dict[str, HumanForm]:
    """The forms among the reasons of a pause, by their ids."""
    return {form_id(it): read_form(it) for it in _objects(data.get("reasons")) if form_id(it)}


def _inputs(listed: Any, resolved: Mapping[str, Any]) -> Iterator[FormInput]:
    for it in _objects(listed):
        if name := _text(it.get("output_variable_name")):
            said = it.get("default")
            default = said.get("value") if isinstance(said, dict) and said.get("type") == "constant" else None
            yield FormInput(name, _text(it.get("type")), resolved.get(name, default))


def _objects(value: Any) -> list[dict[str, Any]]:
    return [it for it in value if isinstance(it, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
