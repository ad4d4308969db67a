"""TAB in `%%generate`, `%generate` and `%nbkit`: what the word at the cursor may become."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbkit.endpoints.declare import declared_names
from nbkit.errors import InputError
from nbkit.magics.command import Call
from nbkit.magics.grammar import HEADER_LINE, OPTIONS
from nbkit.magics.known import ENDPOINTS
from nbkit.magics.values import read

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbkit.magics.notebook import Notebook

_BY_FLAG = {option.flag: option for option in OPTIONS}
_MAGIC = re.compile(r"\s*(%%?generate|%nbkit)[ \t]+")
_WORD = re.compile(r"\S*")
_NAME = re.compile(r"[ \t]*((?:[^\W\d][\w.-]*)?)")
_PAIR = re.compile(r"[ \t]*([^\W\d][\w.-]*)[ \t]*:[ \t]*(.*)")
_MOST = 200


@dataclass(frozen=True, slots=True)
class Offer:
    """What can stand at the cursor.

    Attributes:
        fragment: What stands there now, and would be replaced.
        words: What may stand there.
        is_sure: Whether nothing else can stand there, so that other completions are left out.
    """

    fragment: str
    words: tuple[str, ...]
    is_sure: bool = True

    @classmethod
    def of(cls, fragment: str, known: Iterable[str], *, is_sure: bool = True) -> Offer:
        """The known words that begin with the fragment."""
        words = tuple(word for word in dict.fromkeys(known) if word.startswith(fragment))[:_MOST]
        return cls(fragment, words, is_sure and bool(words))


_NOTHING = Offer("", (), is_sure=False)


def offer(text: str, line: int, column: int, notebook: Notebook) -> Offer:
    """What can stand at a place in a cell.

    Args:
        text: The whole cell.
        line: The line of the cursor, from 0.
        column: Its place in that line.
        notebook: Whose endpoints, names and runs are known.
    """
    lines = text.split("\n")
    before = lines[line][:column] if line < len(lines) else ""
    if magic := _MAGIC.match(before):
        rest = before[magic.end() :]
        if magic[1] == "%nbkit":
            return _in_command(rest, notebook)
        return _on_line(rest, notebook, is_cell=magic[1] == "%%generate")
    first = _MAGIC.match(f"{lines[0]} ")
    if line > 0 and first and first[1] == "%%generate":
        return _in_header(lines, line, before, notebook)
    return _NOTHING


def _on_line(text: str, notebook: Notebook, *, is_cell: bool) -> Offer:
    at, endpoint = 0, ""
    given: list[str] = []
    while (end := _end(text, at)) < len(text):
        word, at = text[at:end], _skip(text, end)
        option = _BY_FLAG.get(word)
        if option and option.value:
            end = _end(text, at, "=" if option.flag == "-p" else "")
            if end >= len(text):
                return _value_of(option.flag, text[at:], endpoint, given, notebook)
            given.append(text[at:end].partition("=")[0])
            at = _skip(text, end)
        elif not word.startswith("-"):
            endpoint = endpoint or word
    word = text[at:]
    if word.startswith("-") or (endpoint and is_cell and not word):
        return Offer.of(word, _BY_FLAG)
    return _NOTHING if endpoint else Offer.of(word, _endpoints(word, notebook))


def _value_of(flag: str, word: str, endpoint: str, given: list[str], notebook: Notebook) -> Offer:
    if flag != "-p":
        return Offer.of(word, _BY_FLAG[flag].choices)
    inputs = notebook.offers.inputs(_resolved(endpoint, notebook))
    name, equals, value = word.partition("=")
    if equals:
        return Offer.of(value, inputs.get(name, ()))
    return Offer.of(word, (f"{known}=" for known in inputs if known not in given))


def _in_header(lines: list[str], line: int, before: str, notebook: Notebook) -> Offer:
    above = lines[1:line]
    if any(it.strip() and not HEADER_LINE.fullmatch(it) for it in above):
        return _NOTHING  # it is the prompt
    has_rule = any(it.strip() == "---" for it in lines[line:])
    inputs = notebook.offers.inputs(_resolved(_endpoint_of(lines[0]), notebook))
    if pair := _PAIR.fullmatch(before):
        return Offer.of(pair[2], inputs.get(pair[1], ()), is_sure=has_rule)
    name = _NAME.fullmatch(before)
    if name is None or not (name[1] or has_rule):
        return _NOTHING
    given = {it.partition(":")[0].strip() for it in above}
    return Offer.of(name[1], (f"{known}: " for known in inputs if known not in given), is_sure=has_rule)


def _in_command(text: str, notebook: Notebook) -> Offer:
    from nbkit.magics.subcommands import COMMANDS

    fragment = text.rpartition(" ")[2]
    for count in (2, 1):
        words = text.split(" ", count)
        command = COMMANDS.get(" ".join(words[:count]))
        if command and len(words) > count:
            begun = words[count].rpartition(" ")[0]
            more = [name.split(" ")[1] for name in COMMANDS if name.startswith(f"{command.name} ")]
            return Offer.of(fragment, [*(() if begun else more), *command.offers(Call(notebook, begun))])
    start = text.removesuffix(fragment)
    return Offer.of(fragment, (name[len(start) :] for name in COMMANDS if name.startswith(text)))


def _endpoints(begun: str, notebook: Notebook) -> Iterable[str]:
    yield from notebook.settings().aliases
    yield from reversed(notebook.used)
    yield from declared_names()
    yield from ENDPOINTS
    yield from notebook.offers.connections()
    if begun.startswith("workflows/"):
        yield from notebook.offers.workflows()


def _endpoint_of(first_line: str) -> str:
    """The endpoint that a first line names, an empty string where it names none."""
    magic = _MAGIC.match(first_line)
    text, at = f"{first_line} ", magic.end() if magic else len(first_line)
    while (end := _end(text, at)) < len(text):
        option = _BY_FLAG.get(text[at:end])
        if not text[at:end].startswith("-"):
            return text[at:end]
        at = _skip(text, end)
        if option and option.value:
            at = _skip(text, _end(text, at, "=" if option.flag == "-p" else ""))
    return ""


def _resolved(word: str, notebook: Notebook) -> str:
    """The endpoint that a word means: itself, what it is an alias of, or the one that was called without a name."""
    settings = notebook.settings()
    chosen = settings.values.get("endpoint")
    name = word or (chosen.value if chosen else notebook.default)
    alias = settings.requests.get(name)
    return alias.endpoint if alias else name


def _end(text: str, at: int, behind: str = "") -> int:
    """The end of the word that begins at a place; that of a value reaches over quotes and JSON."""
    word = _WORD.match(text, at)
    end = word.end() if word else at
    sign = text.find(behind, at, end) if behind else -1
    if sign < 0:
        return end
    try:
        return read(text, sign + 1)[1]
    except InputError:  # it is not finished
        return len(text)


def _skip(text: str, at: int) -> int:
    return len(text) - len(text[at:].lstrip())


def make_matcher(notebook: Notebook) -> Any:
    """The function that IPython's completer asks."""
    from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher

    @context_matcher(identifier="nbkit")  # type: ignore[untyped-decorator]
    def match(context: CompletionContext) -> Any:
        try:
            found = offer(context.full_text, context.cursor_line, context.cursor_position, notebook)
        except Exception:  # noqa: BLE001 - whatever goes wrong here, a person is typing
            found = _NOTHING
        return {
            "completions": [SimpleCompletion(word, type="param") for word in found.words],
            "matched_fragment": found.fragment,
            "suppress": found.is_sure,
        }

    return match
