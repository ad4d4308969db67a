"""`nbkit run`: calls an endpoint once and prints what it gave."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbkit.cli.named_server import add_options, client_of
from nbkit.display.escape import clean, without_harm
from nbkit.errors import InputError
from nbkit.magics.grammar import Request
from nbkit.magics.settings import Nbkit, read
from nbkit.magics.values import typed

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from nbkit.client.client import Client
    from nbkit.model.media import Media
    from nbkit.model.result import Result

_EXAMPLES = """\
values:
  7, true, null, "7", [1, 2] and {"width": 512} are sent as JSON, anything else as text;
  key=@photo.png sends a file, key=@@name the text @name

examples:
  nbkit run local/collage prompt="a cat on a beach" num_images=2 --seed 7 --out pictures
  nbkit run local/upscale image_url=@cat.png upscale_factor=4 --json
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    import argparse

    parser = subparsers.add_parser(
        "run",
        help="call an endpoint and print what it gave",
        description="Call an endpoint, and print where its files are, or its output as JSON where it gave none. "
        "Progress goes to stderr. Ctrl-C cancels the request at the service.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("endpoint", help="what to call, for example local/collage, or an alias")
    parser.add_argument("input", nargs="*", metavar="KEY=VALUE", help="its input")
    parser.add_argument("--seed", type=int, metavar="S", help="the input `seed`")
    parser.add_argument("--out", type=Path, metavar="DIR", help="save the files into this folder")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object: output, files, request id"
    )
    parser.add_argument("--stream", action="store_true", help="use the endpoint's stream")
    add_options(parser, "the nbkit server to call instead of fal or this machine")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Call the endpoint; gives the exit code."""
    try:
        given = read_input(arguments.input, arguments.seed)
        if arguments.out:
            _make(arguments.out)  # a folder that cannot be is told before anything is paid
        request = _request(arguments.endpoint, given, stream=arguments.stream)
        result = _call(request, client_of(arguments))
    except InputError as error:
        print(f"nbkit run: {clean(error)}", file=sys.stderr)
        return 2
    files, problems = _files(result.media, arguments.out)
    for problem in problems:
        print(f"nbkit run: {clean(problem)}", file=sys.stderr)
    if arguments.json or not result.media:
        shown = _about(result, files) if arguments.json else result.data
        print(without_harm(json.dumps(shown, ensure_ascii=False, indent=2)))
    else:
        print("\n".join(str(path) for path in files if path))
    return 1 if problems else 0


def read_input(pairs: Iterable[str], seed: int | None = None) -> dict[str, Any]:
    """The input that words `KEY=VALUE` mean.

    Raises:
        InputError: A word is no such pair, a key is given twice, or a file is not there.
    """
    given: dict[str, Any] = {}
    if seed is not None:
        given["seed"] = seed
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise InputError(f"{pair[:60]!r} is not KEY=VALUE", hint="for example: prompt='a cat on a beach'")
        if key in given:
            raise InputError(f"{key!r} is given twice", field=key)
        given[key] = _value(key, text)
    return given


def _value(key: str, text: str) -> Any:
    if text.startswith("@@"):
        return text[1:]
    if not text.startswith("@"):
        return typed(text)
    path = Path(text[1:]).expanduser()
    if not path.is_file():
        raise InputError(
            f"{key}: there is no file {text[1:]!r}", field=key, hint="@@… stands for text that begins with @"
        )
    return path


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {folder} cannot be a folder: {error.strerror}", field="--out") from None


def _request(endpoint: str, given: dict[str, Any], *, stream: bool) -> Request:
    """What to call and to send, with the aliases and defaults of the settings."""
    settings = read(Nbkit(), {})
    for problem in settings.problems:
        print(f"nbkit run: {clean(problem)}", file=sys.stderr)
    request = Request(stream=stream)
    request.call(endpoint, settings.requests)
    request.input = {**settings.input_of(request.endpoint), **request.defaults, **given}
    return request


def _call(request: Request, named: Client | None) -> Result:
    from nbkit.client.client import Client

    with named or Client() as client:
        if request.stream:
            return client.stream(request.endpoint, request.input).result()
        return client.submit(request.endpoint, request.input, wait=False).result()


def _files(media: Iterable[Media], folder: Path | None) -> tuple[list[Path | None], list[str]]:
    """Where each file is, None for one that is not here; and what went wrong with them.

    In a folder files get names of their own, so that nothing there is written over.
    """
    places: list[Path | None] = []
    problems: list[str] = []
    for one in media:
        place = None if one.problem else one.path
        if place is None:
            problems.append(f"{one.name} is not here: {one.problem}")
        elif folder:
            try:
                place = one.save(_free(folder, one.name))
            except OSError as error:
                problems.append(f"{one.name} stays at {place}: {error.strerror}")
        places.append(place)
    return places, problems


def _free(folder: Path, name: str) -> Path:
    path, number = folder / name, 1
    while path.exists():
        number += 1
        path = folder / f"{Path(name).stem}-{number}{Path(name).suffix}"
    return path


def _about(result: Result, files: list[Path | None]) -> dict[str, Any]:
    return {
        "endpoint": result.endpoint,
        "request_id": result.request_id,
        "seconds": round(result.seconds, 3),
        "stand_in": result.stand_in or None,
        "output": result.data,
        "files": [None if path is None else str(path) for path in files],
    }
