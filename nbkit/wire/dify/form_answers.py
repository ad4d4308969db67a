"""What a workflow app takes, as its server tells and checks it; `parameters` reads it.

Wording and order of the checks are those of genuine servers: an input that passes here passes there.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from nbkit.errors import InputError
from nbkit.wire.dify.parameters import FILE_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nbkit.wire.dify.era import Era
    from nbkit.wire.dify.parameters import Form, Variable

IMAGE_MB, AUDIO_MB, VIDEO_MB, OTHER_MB = 10, 50, 100, 15
MOST_FILES = 10
_TEXTS = ("text-input", "paragraph", "select")
_BOUNDED = ("text-input", "paragraph")
_METHODS = ["local_file", "remote_url"]
_MOST_NEGATIVE = -sys.float_info.max
_OFF = {"enabled": False}


def variable_facts(name: str, kind: str, *, required: bool = False, **facts: Any) -> dict[str, Any]:
    """What the form says of one input.

    Args:
        name: Its name.
        kind: Dify's word for its kind.
        required: Whether a run without it is refused.
        **facts: `label`, `max_length`, `options`, `default`.
    """
    about = {"variable": name, "label": name, "type": kind, "required": required, "max_length": 48}
    about |= {"options": [], **facts}
    if kind in FILE_KINDS:
        about |= {
            "allowed_file_types": ["image"],
            "allowed_file_extensions": [],
            "allowed_file_upload_methods": _METHODS,
        }
    return about


def parameters(form: Form, era: Era) -> dict[str, Any]:
    """The answer of `/parameters`."""
    takes_files = any(it.kind in FILE_KINDS for it in form.variables)
    image_limit: dict[str, Any] = {"image_file_size_limit": IMAGE_MB}
    if era.has_file_variables:
        speech = {"enabled": False, "language": "", "voice": ""}
        uploads: dict[str, Any] = {
            "enabled": takes_files,
            "allowed_file_types": ["image"],
            "allowed_file_extensions": [],
            "allowed_file_upload_methods": _METHODS,
            "number_limits": 3,
        }
        limits = image_limit | {
            "video_file_size_limit": VIDEO_MB,
            "audio_file_size_limit": AUDIO_MB,
            "file_size_limit": OTHER_MB,
            "workflow_file_upload_limit": MOST_FILES,
        }
    else:
        speech = {"enabled": False, "voice": "", "language": ""}
        on = {"enabled": True, "number_limits": 1, "transfer_methods": ["remote_url", "local_file"]}
        uploads = {"image": on if takes_files else _OFF}
        limits = {"image_file_size_limit": str(IMAGE_MB)}
    return {
        "opening_statement": "" if era.has_file_variables else None,
        "suggested_questions": [],
        "suggested_questions_after_answer": _OFF,
        "speech_to_text": _OFF,
        "text_to_speech": speech,
        "retriever_resource": _OFF,
        "annotation_reply": _OFF,
        "more_like_this": _OFF,
        "user_input_form": [{it.kind: dict(it.facts)} for it in of_era(form, era)],
        "sensitive_word_avoidance": _OFF,
        "file_upload": uploads,
        "system_parameters": limits,
    }


def of_era(form: Form, era: Era) -> Iterable[Variable]:
    """The inputs that an era has: files by name came later than the others."""
    return [it for it in form.variables if era.has_file_variables or it.kind not in FILE_KINDS]


def checked_inputs(form: Form, given: Mapping[str, Any], era: Era) -> dict[str, Any]:
    """The inputs of a run, complete; those that the form does not have are dropped.

    Raises:
        InputError: One is not valid. The message is Dify's.
    """
    return {it.name: _checked(it, given.get(it.name), era) for it in of_era(form, era)}


def _checked(variable: Variable, value: Any, era: Era) -> Any:
    facts, name = variable.facts, variable.name
    if value is None or (value == "" and era.refuses_empty_text):
        if facts["required"]:
            raise InputError(f"{name} is required in input form", field=name)
        return facts.get("default", era.unset)
    if variable.kind in _TEXTS:
        return _text(variable, value, era)
    if variable.kind == "number":
        return _number(value, name, era)
    if variable.kind == "file" and not isinstance(value, dict):
        raise InputError(f"{name} in input form must be a file", field=name)
    return value


def _text(variable: Variable, value: Any, era: Era) -> str:
    facts, name, kind = variable.facts, variable.name, variable.kind
    if not isinstance(value, str):
        word = f"Type.{kind.upper().replace('-', '_')}" if era.enum_kinds else kind
        raise InputError(f"(type '{word}') {name} in input form must be a string", field=name)
    if kind == "select" and value not in facts["options"]:
        raise InputError(f"{name} in input form must be one of the following: {facts['options']}", field=name)
    if kind in _BOUNDED and len(value) > facts["max_length"]:
        raise InputError(
            f"{name} in input form must be less than {facts['max_length']} characters", field=name
        )
    return value.replace("\x00", "")


def _number(value: Any, name: str, era: Era) -> Any:
    if isinstance(value, str):
        if not value.strip():
            return era.unset
        try:
            value = float(value) if "." in value else int(value)
        except ValueError:
            value = None
    if not isinstance(value, (int, float)) or not _MOST_NEGATIVE <= value <= -_MOST_NEGATIVE:
        raise InputError(f"{name} in input form must be a valid number", field=name)
    return value
