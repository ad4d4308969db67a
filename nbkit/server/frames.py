"""Messages between the server and one of its worker processes: JSON behind its length, on the process's own pipes.

Each worker has its own two pipes and nothing else in common with others, so one that is killed in the middle of a
message breaks only its own.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any, BinaryIO

from nbkit.errors import ServerError

if TYPE_CHECKING:
    from asyncio import StreamReader

Message = dict[str, Any]

_LENGTH = struct.Struct(">I")
LARGEST = 2**30


def pack(message: Message) -> bytes:
    """Write one message."""
    body = json.dumps(message, separators=(",", ":")).encode("ascii")
    return _LENGTH.pack(len(body)) + body


def read(stream: BinaryIO) -> Message | None:
    """Read the next message, waiting for it; None at the end of the stream."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (size,) = _LENGTH.unpack(head)
    body = stream.read(size)
    return parse(body) if len(body) == size else None


async def read_async(stream: StreamReader, largest: int = LARGEST) -> Message:
    """Read the next message without blocking the loop.

    Args:
        stream: Where it comes from.
        largest: Bytes that it may have.

    Raises:
        asyncio.IncompleteReadError: The stream ended.
        ServerError: What came is no message.
        ValueError: It is no JSON.
    """
    return parse(await read_bytes_async(stream, largest))


async def read_bytes_async(stream: StreamReader, largest: int = LARGEST) -> bytes:
    """The same, as the bytes of its JSON."""
    (size,) = _LENGTH.unpack(await stream.readexactly(_LENGTH.size))
    if size > largest:
        raise ServerError("a worker sent something that is not a message")
    return await stream.readexactly(size)


def parse(body: bytes) -> Message:
    """The message of its JSON; raises `ServerError` or `ValueError` where it is none."""
    message = json.loads(body)
    if not isinstance(message, dict):
        raise ServerError("a worker sent something that is not a message")
    return message
