"""A cell's text as a request. Knows no IPython."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbkit.errors import InputError
from nbkit.magics.template import fill, fill_text, nearest
from nbkit.magics.values import read, typed
from nbkit.model.endpoint import Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

REUSED = ("always", "ask", "never")
SHOWN = ("images", "table", "all", "none")
_SPACE = re.compile(r"\s*")
_WORD = re.compile(r"\S+")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_LOOKS_LIKE_ENDPOINT = re.compile(r"[\w.~-]+(/[\w.~-]+)+/?|https?://\S+")
HEADER_LINE = re.compile(r"[ \t]*([^\W\d][\w.-]*)[ \t]*:(?:[ \t]+(.*)|[ \t]*)")
_PARAMETER = re.compile(r"([^\W\d][\w.-]*)=")
_NEGATIVE = re.compile(r"-[0-9.]")


@dataclass(frozen=True, slots=True)
class Option:
    """One option of the first line.

    Attributes:
        flag: How it is written.
        value: What follows it, for help; an empty string for a switch.
        help: What it does.
        choices: The values it takes, empty where any.
    """

    flag: str
    value: str
    help: str
    choices: tuple[str, ...] = ()


OPTIONS = (
    Option("-p", "KEY=VALUE", "one more input; may be given again"),
    Option("-n", "N", "how many pictures (`num_images`)"),
    Option("--seed", "S", "the seed, for a picture that can be made again"),
    Option("--as", "NAME", "bind the result to a variable"),
    Option("--stream", "", "show what the model gives while it works"),
    Option("--background", "", "return at once; the card keeps updating"),
    Option("--dry-run", "", "show what would be sent, and send nothing"),
    Option("--reuse", "", "take an equal earlier success, unbilled; `--reuse=ask` asks first", REUSED),
    Option("--sweep", "", "run every combination of the values that are lists or ranges"),
    Option("--show", "WHAT", "`images`, `table`, `all` or `none`", SHOWN),
)
_BY_FLAG = {option.flag: option for option in OPTIONS}


@dataclass(slots=True)
class Request:
    """What a cell asks for.

    Attributes:
        endpoint: What to call, an empty string for the default.
        alias: The short name that it was called by, an empty string for none.
        defaults: What the short name stands for besides its endpoint: input that the cell may give otherwise.
        input: What to send, without the prompt; references to variables are not resolved yet.
        prompt: The prompt, word for word; None where the cell has none.
        name: The variable for the result, an empty string for none.
        stream: Whether to show what the model gives while it works.
        background: Whether to return at once.
        dry_run: Whether to send nothing.
        sweep: Whether lists and ranges are axes of a sweep.
        show: `images`, `table`, `all` or `none`; an empty string where the cell does not say.
        reuse: `always`, `ask` or `never`; an empty string where the cell does not say.
    """

    endpoint: str = ""
    alias: str = ""
    defaults: dict[str, Any] = field(default_factory=dict)
    input: dict[str, Any] = field(default_factory=dict)
    prompt: str | None = None
    name: str = ""
    stream: bool = False
    background: bool = False
    dry_run: bool = False
    sweep: bool = False
    show: str = ""
    reuse: str = ""

    def call(self, word: str, aliases: Mapping[str, Request]) -> None:
        """Take a word as the endpoint, or as the alias of one.

        Raises:
            InputError: It is neither.
        """
        if alias := aliases.get(word):
            self.alias, self.endpoint, self.defaults = word, alias.endpoint, alias.input
            self.stream = self.stream or alias.stream
            self.show = self.show or alias.show
            self.reuse = self.reuse or alias.reuse
        elif near := nearest(word, list(aliases)) if "/" not in word else "":
            raise InputError(f"{word[:80]!r} is no endpoint and no alias", field="endpoint", hint=near)
        else:
            self.endpoint = str(Endpoint.parse(word))

    def filled(
        self, namespace: Mapping[str, Any], defaults: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The whole input, with the values of the notebook's variables.

        Args:
            namespace: The notebook's variables.
            defaults: What is sent where neither the cell nor its alias says otherwise; taken as it stands.

        Raises:
            InputError: A name is not known, or a variable cannot stand where it is used.
        """
        given = {key: fill(value, namespace) for key, value in {**self.defaults, **self.input}.items()}
        whole = {**(defaults or {}), **given}
        if self.prompt is None:
            return whole
        whole.pop("prompt", None)
        return {"prompt": fill_text(self.prompt, namespace), **whole}


def parse(line: str, body: str | None = None, aliases: Mapping[str, Request] | None = None) -> Request:
    """Read a cell.

    Args:
        line: What follows the magic's name on the first line.
        body: The lines below it; None for the one-line form, whose prompt is the rest of the line.
        aliases: Short names, and what each stands for.

    Raises:
        InputError: It cannot be understood; names the word.
    """
    request = Request()
    rest = _read_line(request, line, prompt_follows=body is None, aliases=aliases or {})
    if body is None:
        prompt: str | None = rest.strip() or None
    elif rest:
        word = rest.split()[0]
        hint = "the prompt goes below it, on lines of its own"
        raise InputError(f"{word!r} has no place on the first line", hint=hint)
    else:
        prompt = _read_body(request, body)
    if prompt is not None:
        if "prompt" in request.input:
            raise InputError("the prompt is given twice, as an input and as text", field="prompt")
        request.prompt = prompt
    return request


def parse_alias(text: str) -> Request:
    """Read what a short name shall stand for: an endpoint, and options that are the same for every cell.

    Raises:
        InputError: It cannot be understood; names the word.
    """
    request = Request()
    rest = _read_line(request, text, prompt_follows=False, aliases={})
    if rest:
        raise InputError(f"{rest.split()[0]!r} has no place in an alias: it is an endpoint and options")
    if not request.endpoint:
        raise InputError("an alias needs an endpoint", hint="for example fal-ai/flux/schnell -p num_images=4")
    if request.name or request.background or request.dry_run or request.sweep:
        raise InputError("--as, --background, --dry-run and --sweep are for one cell, not for an alias")
    return request


def _read_line(request: Request, line: str, *, prompt_follows: bool, aliases: Mapping[str, Request]) -> str:
    """Take endpoint and options from the line and return what is left."""
    at = _skip(line, 0)
    while word := _word(line, at):
        if word == "--":
            return line[at + len(word) :].lstrip()
        if word.startswith("-") and len(word) > 1 and not _NEGATIVE.match(word):
            at = _skip(line, _read_option(request, line, at, word))
        elif not request.endpoint and (
            word in aliases or _LOOKS_LIKE_ENDPOINT.fullmatch(word) or not prompt_follows
        ):
            request.call(word, aliases)
            at = _skip(line, at + len(word))
        else:
            break
    if prompt_follows:
        _refuse_late_options(line[at:])
    return line[at:]


def _read_option(request: Request, line: str, at: int, word: str) -> int:
    """Take one option and return the place behind it."""
    flag, equals, _ = word.partition("=") if word.startswith("--") else (word, "", "")
    option = _BY_FLAG.get(flag)
    if option is None:
        raise InputError(f"there is no option {flag!r}", field=flag, hint=_advice(flag))
    if flag == "--reuse":  # its value may be left out
        request.reuse = _one_of(flag, word[len(flag) + 1 :] if equals else REUSED[0], REUSED)
        return at + len(word)
    if not option.value:
        if equals:
            raise InputError(f"{flag} takes no value", field=flag)
        setattr(request, flag.strip("-").replace("-", "_"), True)
        return at + len(word)
    start = at + len(flag) + 1 if equals else _skip(line, at + len(flag))
    if start >= len(line):
        raise InputError(f"{flag} needs a value: {flag} {option.value}", field=flag)
    if flag == "-p":
        return _read_parameter(request, line, start)
    value, end = read(line, start)
    _SETTERS[flag](request, flag, value)
    return end


def _advice(flag: str) -> str:
    """What was probably meant by an option that does not exist."""
    short = flag[:2]
    if not flag.startswith("--") and short in _BY_FLAG:
        return f"write {short} {flag[2:].lstrip('=')}"
    same = [known for known in _BY_FLAG if known.startswith(f"-{flag}")]
    if same:
        return f"did you mean {' or '.join(same)}?"
    return nearest(flag, list(_BY_FLAG)) or f"known are {', '.join(_BY_FLAG)}"


def _read_parameter(request: Request, line: str, start: int) -> int:
    if line[start] in "\"'":  # the whole pair is quoted, as in a shell
        pair, end = read(line, start)
        named = _PARAMETER.match(str(pair))
        value = typed(str(pair)[named.end() :]) if named else None
    else:
        named = _PARAMETER.match(line, start)
        value, end = read(line, named.end()) if named else (None, start)
    if named is None:
        raise InputError(f"-p needs KEY=VALUE, not {_word(line, start)!r}", field="-p")
    _put(request, named[1], value)
    return end


def _put(request: Request, key: str, value: Any) -> None:
    if key in request.input:
        raise InputError(f"{key!r} is given twice", field=key)
    request.input[key] = value


def _set_count(request: Request, flag: str, value: Any) -> None:
    _put(request, "num_images", _whole_number(flag, value, least=1))


def _set_seed(request: Request, flag: str, value: Any) -> None:
    _put(request, "seed", _whole_number(flag, value, least=0))


def _whole_number(flag: str, value: Any, *, least: int) -> Any:
    """The number; a reference to a variable passes as it is."""
    reference = isinstance(value, str) and value.startswith("{{")
    number = isinstance(value, int) and not isinstance(value, bool) and value >= least
    if not reference and not number:
        raise InputError(f"{flag} needs a whole number from {least}, not {value!r}", field=flag)
    return value


def _set_name(request: Request, flag: str, value: Any) -> None:
    if not isinstance(value, str) or not value.isidentifier() or keyword.iskeyword(value):
        raise InputError(f"{flag} needs the name of a variable, not {value!r}", field=flag)
    request.name = value


def _set_show(request: Request, flag: str, value: Any) -> None:
    request.show = _one_of(flag, value, SHOWN)


def _one_of(flag: str, value: Any, known: tuple[str, ...]) -> str:
    if value not in known:
        hint = nearest(str(value), list(known))
        raise InputError(f"{flag} takes {', '.join(known)}, not {value!r}", field=flag, hint=hint)
    return str(value)


_SETTERS: dict[str, Callable[[Request, str, Any], None]] = {
    "-n": _set_count,
    "--seed": _set_seed,
    "--as": _set_name,
    "--show": _set_show,
}


def _refuse_late_options(prompt: str) -> None:
    """An option behind the prompt would be sent as part of it, and paid for."""
    for word in prompt.split():
        if word.partition("=")[0] in _BY_FLAG:
            hint = "write `--` before the prompt if it belongs to it"
            raise InputError(f"the option {word} stands behind the prompt; options come first", hint=hint)


def _read_body(request: Request, body: str) -> str | None:
    """Take typed input above a line `---` and return the prompt below, or the whole body."""
    lines = _LINE.findall(body)
    rule = next((number for number, text in enumerate(lines) if text.strip() == "---"), None)
    if rule is None or not _is_header(lines[:rule]):
        return _prompt(body)
    for key, value in _header(lines[:rule]):
        _put(request, key, value)
    return _prompt("".join(lines[rule + 1 :]))


def _prompt(text: str) -> str | None:
    return text.strip("\r\n") if text.strip() else None


def _is_header(lines: list[str]) -> bool:
    """Whether lines above a rule are input: the first that is not empty decides."""
    first = next((line for line in lines if line.strip()), None)
    return first is None or bool(HEADER_LINE.fullmatch(first.rstrip("\r\n")))


def _header(lines: list[str]) -> Iterator[tuple[str, Any]]:
    for line in lines:
        pair = HEADER_LINE.fullmatch(line.rstrip("\r\n"))
        if pair:
            yield pair[1], typed(pair[2] or "")
        elif line.strip():
            hint = "begin the cell with a line `---` if all of it is the prompt"
            raise InputError(f"above `---` every line is `key: value`, not {line.strip()[:60]!r}", hint=hint)


def _skip(line: str, at: int) -> int:
    space = _SPACE.match(line, at)
    return space.end() if space else at


def _word(line: str, at: int) -> str:
    word = _WORD.match(line, at)
    return word[0] if word else ""
