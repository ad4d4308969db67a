"""What goes over the line beside messages: files and code that the other side has not, in pieces.

A file stands behind a message that tells its size, as plain bytes, and is read from and written to the disk a piece at
a time, so memory does not grow with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nbkit.errors import ServerError
from nbkit.server import frames
from nbkit.server.file_input import own_file
from nbkit.server.files import StoredFile

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from pathlib import Path

    from nbkit.server.files import FileStore
    from nbkit.server.frames import Message

_PIECE = 2**18
_CODE = re.compile(r"(?:source|pickle):([0-9a-f]{64})(?::|$)")


def code_of(model: str) -> str:
    """The hash of the code that a model's reference names; an empty string where it is a module's function."""
    found = _CODE.match(model)
    return found[1] if found else ""


def own_files(given: Any, files: FileStore) -> dict[str, StoredFile]:
    """The server's files that an input names: address → file."""
    found: dict[str, StoredFile] = {}
    left = [given]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)
        elif isinstance(value, str) and (file := own_file(value, files)):
            found[value] = file
    return found


def described(address: str, file: StoredFile) -> Message:
    """What a relay is told of a file that an input names."""
    return {"address": address, "id": file.id, "name": file.name, "content_type": file.content_type}


def renamed(message: Message, addresses: dict[str, str]) -> Message:
    """A message with some of its texts in place of others."""
    text = json.dumps(message)
    for old, new in addresses.items():
        text = text.replace(json.dumps(old), json.dumps(new))
    changed: Message = json.loads(text)
    return changed


async def send_file(writer: StreamWriter, facts: Message, file_id: str, files: FileStore) -> None:
    """Send a file behind a message that tells of it.

    Raises:
        ServerError: It went away, or became another.
        MediaError: The store cannot be reached.
    """
    size = await files.away(files.size, file_id)
    writer.write(frames.pack({**facts, "size": size or 0}))
    sent = 0
    async for piece in files.pieces(file_id):
        sent += len(piece)
        writer.write(piece)
        await writer.drain()
    if sent != size:
        raise ServerError(f"the file {file_id} changed while it was sent")


async def receive_bytes(reader: StreamReader, size: int, path: Path) -> None:
    """Write the bytes that stand behind a message to a new file.

    Raises:
        asyncio.IncompleteReadError: The line broke; no file is left.
    """
    with contextlib.ExitStack() as unless_whole:
        unless_whole.callback(path.unlink, missing_ok=True)
        with path.open("xb") as content:
            left = size
            while left:
                piece = await reader.read(min(left, _PIECE))
                if not piece:
                    raise asyncio.IncompleteReadError(b"", left)
                await asyncio.to_thread(content.write, piece)
                left -= len(piece)
        unless_whole.pop_all()


async def take_in(reader: StreamReader, facts: Message, files: FileStore) -> tuple[str, str]:
    """Keep a file that a relay's model made; gives what stands for it there and what stands for it here.

    Raises:
        asyncio.IncompleteReadError: The line broke.
    """
    file = StoredFile.new(str(facts["name"]), str(facts["content_type"]))
    if facts.get("expires") is not None:
        file = replace(file, expires=float(facts["expires"]))
    draft = files.draft()
    await receive_bytes(reader, int(facts["size"]), draft)
    await files.away(files.put, file, draft)
    return str(facts["made"]), files.mark + files.address(file)
