"""How the server and a relay show each other that both know a task's token, without either saying it.

A token that was said could be kept by whoever listens at the server's port once the server is gone, and a relay
computes what the other side tells it to.
"""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING

from nbkit.errors import ServerError
from nbkit.server import frames

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from collections.abc import Callable

LONGEST = 4096  # bytes of a message from somebody unknown


async def call_in(reader: StreamReader, writer: StreamWriter, task: str, token: str) -> None:
    """Show the server that this is the relay of a task, and see that it is the server.

    Raises:
        ServerError: The other side does not know the token.
        asyncio.IncompleteReadError: It does not expect this task, or not any more.
    """
    mine = secrets.token_hex(16)
    writer.write(frames.pack({"task": task, "nonce": mine}))
    answer = await frames.read_async(reader, LONGEST)
    theirs = str(answer.get("nonce"))
    if not hmac.compare_digest(_proof(token, "server", mine, theirs), _text(answer.get("proof"))):
        raise ServerError("who answers at the server's address is not the server that submitted this task")
    writer.write(frames.pack({"proof": _proof(token, "relay", mine, theirs).decode()}))


async def answer(reader: StreamReader, writer: StreamWriter, token_of: Callable[[str], str]) -> str:
    """Let a caller show that it is the relay of a task that is expected; gives the task.

    Args:
        reader: What comes from it.
        writer: What goes to it.
        token_of: Gives the token of a task; raises `ServerError` where none such is expected.

    Raises:
        ServerError: It is no such relay.
        asyncio.IncompleteReadError: It hung up.
    """
    greeting = await frames.read_async(reader, LONGEST)
    task, theirs = str(greeting.get("task")), str(greeting.get("nonce"))
    token, mine = token_of(task), secrets.token_hex(16)
    proof = _proof(token, "server", theirs, mine).decode()
    writer.write(frames.pack({"nonce": mine, "proof": proof}))
    said = await frames.read_async(reader, LONGEST)
    if not hmac.compare_digest(_proof(token, "relay", theirs, mine), _text(said.get("proof"))):
        raise ServerError("a caller does not know the token of its task")
    return task


def _proof(token: str, side: str, relays: str, servers: str) -> bytes:
    return hmac.new(token.encode(), f"{side}:{relays}:{servers}".encode(), "sha256").hexdigest().encode()


def _text(said: object) -> bytes:
    return str(said).encode("utf-8", "replace")
