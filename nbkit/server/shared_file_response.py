"""A file of a store that is elsewhere, or a part of it, passed on as it comes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.responses import Response, StreamingResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Scope, Send

    from nbkit.server.files import FileStore

_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})", re.ASCII)


class SharedFileResponse(Response):
    """Answers as `FileResponse` does for a file of this machine: whole, or the one range that was asked for.

    Args:
        files: The server's files.
        file_id: Which one.
        media_type: Its type.
        filename: What it is called.
        content_disposition_type: `inline` or `attachment`.
        headers: What else is told.
    """

    def __init__(
        self,
        files: FileStore,
        file_id: str,
        *,
        media_type: str,
        filename: str,
        content_disposition_type: str,
        headers: Mapping[str, str],
    ) -> None:
        quoted = quote(filename)
        name = f'filename="{filename}"' if quoted == filename else f"filename*=utf-8''{quoted}"
        self._files = files
        self._file_id = file_id
        self._facts = {
            **headers,
            "content-type": media_type,
            "content-disposition": f"{content_disposition_type}; {name}",
            "accept-ranges": "bytes",
            "etag": f'"{file_id}"',  # a file never changes
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        asked = Headers(scope=scope)
        size = await self._files.away(self._files.size, self._file_id) or 0
        wanted = _RANGE.fullmatch(asked.get("range", "").strip())
        is_same = asked.get("if-range", self._facts["etag"]) == self._facts["etag"]
        if wanted is None or wanted[0] == "bytes=-" or not is_same:
            answer = self._part(scope, 200, 0, size)
        else:
            start, end = _bounds(wanted[1], wanted[2], size)
            if start >= end:
                answer = Response(status_code=416, headers={"content-range": f"bytes */{size}"})
            else:
                answer = self._part(scope, 206, start, end)
                answer.headers["content-range"] = f"bytes {start}-{end - 1}/{size}"
        await answer(scope, receive, send)

    def _part(self, scope: Scope, status: int, start: int, end: int) -> Response:
        headers = {**self._facts, "content-length": str(end - start)}
        if scope["method"] == "HEAD":
            return Response(status_code=status, headers=headers)
        return StreamingResponse(self._files.pieces(self._file_id, start, end), status, headers)


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    """The first byte of a range, and the one behind its last."""
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(size, int(last) + 1 if last else size)
