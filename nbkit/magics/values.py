"""Values as people write them in a cell: numbers, words, JSON."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from nbkit.errors import InputError

_WORDS = {"true": True, "True": True, "false": False, "False": False, "null": None, "None": None}
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,999})")
_NUMBER = re.compile(r"-?((0|[1-9][0-9]{0,999})(\.[0-9]{0,999})?|\.[0-9]{1,999})([eE][+-]?[0-9]{1,5})?")
_OPENINGS = {"[": "]", "{": "}"}
# A value of an option ends at white space, but not inside a reference to a variable.
_TOKEN = re.compile(r"(?:\{\{[^{}\n]*\}\}|\S)*")


def typed(text: str) -> Any:
    """The value that a text means.

    Numbers, `true`, `false`, `null` (also as Python writes them), quoted strings, and JSON lists and objects
    are what they look like; everything else is text, as it stands.

    Raises:
        InputError: It begins and ends like a JSON list or object and is none.
    """
    text = text.strip()
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _NUMBER.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    if _is_quoted(text):
        return _unquoted(text)
    if text[:1] in _OPENINGS and text.endswith(_OPENINGS[text[0]]) and not text.startswith("{{"):
        return _json(text)
    return text


def read(text: str, start: int) -> tuple[Any, int]:
    """The value that begins at a place in a line, and the place behind it.

    JSON and quoted strings may hold spaces, everything else ends at the first one.
    """
    opening = text[start : start + 1]
    if (opening in ('"', *_OPENINGS)) and not text.startswith("{{", start):
        try:
            value, end = _decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            pass
        else:
            if not text[end : end + 1].strip():
                return value, end
    if opening == "'" and (end := text.find("'", start + 1)) > 0 and not text[end + 1 : end + 2].strip():
        return text[start + 1 : end], end + 1
    token = _TOKEN.match(text, start)
    end = token.end() if token else start
    if opening in ('"', "'"):
        raise InputError(f"the quote is not closed: {text[start : start + 40]}")
    return typed(text[start:end]), end


def _is_quoted(text: str) -> bool:
    return len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"


def _unquoted(text: str) -> str:
    if text[0] == '"':
        try:
            return str(json.loads(text))
        except ValueError:
            pass  # "C:\data" is no JSON, but it is clear what is meant
    return text[1:-1]


def _json(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise InputError("the JSON is nested too deeply") from None
    except ValueError as error:
        raise InputError(
            f"this is not valid JSON: {text[:60]} ({error})", hint="keys and words need double quotes"
        ) from None


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


_decoder = json.JSONDecoder(parse_constant=_refuse)
