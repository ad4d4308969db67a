"""`nbkit webhooks listen`: receives webhooks on this machine, verifies them and shows each in a line."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbkit.display.escape import clean
from nbkit.errors import ConfigError, NbkitError
from nbkit.model.address import origin
from nbkit.model.media import find_media
from nbkit.wire.fal.webhooks import JWKS_URL

if TYPE_CHECKING:
    import argparse

    from nbkit.model.webhook import Webhook

_LONGEST_LINE = 160
_MOST_NAMES = 12


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("webhooks", help="receive webhooks on this machine")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listen = actions.add_parser(
        "listen",
        help="verify what arrives, and show it",
        description="Receive webhooks, verify their signatures, and show each request's end once, in a line. fal does "
        "not post to private addresses: let a tunnel or a proxy pass them on to this machine.",
    )
    listen.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    listen.add_argument(
        "--port", type=int, default=8189, help="port, 0 for any free one (default: %(default)s)"
    )
    listen.add_argument(
        "--path", default="/webhook", help="path that the service posts to (default: %(default)s)"
    )
    listen.add_argument(
        "--jwks-url", default=JWKS_URL, metavar="URL", help="the sender's public keys (default: %(default)s)"
    )
    listen.add_argument(
        "--out", type=Path, metavar="FILE", help="append each webhook to a file, as a line of JSON"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Listen until interrupted; gives the exit code."""
    try:
        from nbkit.server.host import AppServer, address_of, bind
        from nbkit.server.webhook_listener import Listener, listener_app
    except ModuleNotFoundError as error:
        raise NbkitError(
            f"receiving webhooks needs the package {error.name}",
            hint="pip install 'nbkit-media[local,webhooks]'",
        ) from error
    from nbkit.webhooks import KeySet, require_cryptography

    require_cryptography()  # told now, not at the first webhook
    if not origin(arguments.jwks_url).startswith(("http://", "https://")):
        raise ConfigError(f"--jwks-url {arguments.jwks_url[:100]!r} is not an address")
    path = "/" + arguments.path.strip("/")
    if arguments.out:
        _append(arguments.out, "")  # a folder that is not there is told now

    def take(event: Webhook) -> None:
        if arguments.out:
            _append(arguments.out, json.dumps(event.raw) + "\n")
        _print(line_of(event))

    listener = Listener(KeySet(arguments.jwks_url), take, lambda reason: _print(f"refused  {reason}"))
    socket = bind(arguments.host, arguments.port)
    url = address_of(socket)
    AppServer(listener_app(path, listener)).run_on(socket, lambda: _print(f"listening on {url}{path}"))
    return 0


def line_of(event: Webhook) -> str:
    """A webhook in a line: no addresses, which may hold signatures, and nothing that steers a terminal."""
    word = "ok" if event.ok else "error"
    return f"{word:5} {event.request_id} {event.error or _summary(event.payload)}"


def _summary(payload: Any) -> str:
    files = sum(1 for _ in find_media(payload))
    names = list(payload)[:_MOST_NAMES] if isinstance(payload, dict) else []
    told = [", ".join(names), f"{files} file{'s' if files != 1 else ''}" if files else ""]
    return " · ".join(filter(None, told)) or type(payload).__name__


def _print(text: str) -> None:
    line = " ".join(clean(text).split())
    cut = line if len(line) <= _LONGEST_LINE else f"{line[: _LONGEST_LINE - 1]}…"
    print(f"{time.strftime('%H:%M:%S')}  {cut}", flush=True)


def _append(path: Path, text: str) -> None:
    """Write to the end of a file that only its owner may read: outputs are private.

    Raises:
        ConfigError: It cannot be written, and nothing was to be written yet.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    except OSError as error:
        if text:
            raise
        raise ConfigError(f"--out {path} cannot be written: {error.strerror}") from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
