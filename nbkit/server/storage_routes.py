"""`/rest/storage/…` and `/cdn/…`: tokens, uploads in one piece and in parts, and the files themselves.

Facts: both official clients' upload conversations. Every address of a file, to read or to write it, carries a
signature of its own, so that whoever was given it can use it plainly, and nobody else can make one.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from starlette.responses import FileResponse, Response

from nbkit.server.files import StoredFile
from nbkit.server.replies import BadRequest, origin_of, read_json, reply, service_of
from nbkit.server.shared_file_response import SharedFileResponse
from nbkit.server.wishes import file_seconds

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request

    from nbkit.server.files import FileStore

TOKEN_SECONDS = 3600
MAX_PARTS = 10_000
_BATCH = 2**20  # bytes that are written to the disk at once
# Types that a browser shows without running anything in them.
_INERT = ("image/png", "image/jpeg", "image/webp", "image/gif", "image/avif", "image/bmp", "text/plain")
_INERT_FAMILIES = ("video/", "audio/")
FILE_HEADERS = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; sandbox",
}
_YEAR = 31_536_000  # seconds


async def token(request: Request) -> Response:
    """Give a token to upload with (`POST /rest/storage/auth/token`)."""
    expires = int(time.time()) + TOKEN_SECONDS
    return reply(
        {
            "token": service_of(request).files.token(expires),
            "token_type": "Bearer",
            "base_url": _cdn(request),
            "expires_at": datetime.fromtimestamp(expires, UTC).isoformat(),
        }
    )


async def initiate(request: Request) -> Response:
    """Promise a file and give the address to put it to (`POST /rest/storage/upload/initiate[-multipart]`)."""
    body = await read_json(request)
    names = (str(body.get("file_name") or ""), str(body.get("content_type") or ""))
    file = StoredFile.new(*names, file_seconds(request.headers))
    files = service_of(request).files
    await files.away(files.describe, file)
    upload_url = f"{_cdn(request)}/uploads/{files.address(file, purpose='put')}"
    return reply({"upload_url": upload_url, "file_url": _address(request, file)})


async def upload(request: Request) -> Response:
    """Take a whole file (`POST /cdn/files/upload`)."""
    file = _announced(request)
    files, draft = service_of(request).files, await _receive(request)
    await files.away(files.put, file, draft)
    return reply({"access_url": _address(request, file)})


async def begin_parts(request: Request) -> Response:
    """Promise a file that will come in parts (`POST /cdn/files/upload/multipart`)."""
    file, files = _announced(request), service_of(request).files
    await files.away(files.describe, file)
    # The upload id is a signature to write with: the address is one to read with, and may be passed on.
    upload_id = files.address(file, purpose="put").partition("/")[0]
    return reply({"access_url": _address(request, file), "uploadId": upload_id})


async def put_whole(request: Request) -> Response:
    """Take a promised file (`PUT /cdn/uploads/…`)."""
    file = await _promised(request, request.path_params["signature"])
    files, draft = service_of(request).files, await _receive(request)
    await files.away(files.put, file, draft)
    return reply({"access_url": _address(request, file)})


async def put_part(request: Request) -> Response:
    """Take one part; its tag stands in the header, as one client reads it, and in the body, as the other does."""
    file, files = await _promised(request, _write_signature(request)), service_of(request).files
    number = int(request.path_params["number"])
    if not 1 <= number <= MAX_PARTS:
        raise BadRequest(400, f"Parts are numbered from 1 to {MAX_PARTS}.")
    draft = await _receive(request)
    etag = f'"{file.id}-{number}-{draft.stat().st_size}"'
    await files.away(files.put_part, file.id, number, draft)
    answer = reply({"partNumber": number, "etag": etag})
    answer.headers["etag"] = etag
    return answer


async def complete_parts(request: Request) -> Response:
    """Join the parts, by their numbers (`POST …/complete`)."""
    file, service = await _promised(request, _write_signature(request)), service_of(request)
    files = service.files
    parts = (await read_json(request)).get("parts")
    try:
        listed = sorted((int(part["partNumber"]), str(part["etag"])) for part in parts or [])
    except (TypeError, ValueError, KeyError) as error:
        raise BadRequest(400, "`parts` is a list of objects with partNumber and etag.") from error
    draft = await files.away(_join, files, file, listed, service.settings.max_upload_bytes)
    await files.away(files.put, file, draft)
    return reply({"access_url": _address(request, file)})


async def download(request: Request) -> Response:
    """Give a file (`GET /cdn/files/…`); HEAD and ranges too."""
    given, files = request.path_params, service_of(request).files
    known = files.allows(given["signature"], given["file_id"])
    file = await files.found(given["file_id"]) if known else None
    if file is None or file.name != given["name"]:
        raise BadRequest(404, "There is no such file.")
    facts: dict[str, Any] = {
        "media_type": file.content_type,
        "filename": file.name,
        "content_disposition_type": "inline" if is_inert(file.content_type) else "attachment",
        "headers": {**FILE_HEADERS, "cache-control": _freshness(file)},
    }
    path = files.path(file.id)
    return SharedFileResponse(files, file.id, **facts) if path is None else FileResponse(path, **facts)


def is_inert(content_type: str) -> bool:
    """Whether a browser shows files of a type without running anything in them."""
    kind = content_type.partition(";")[0].lower()
    return kind in _INERT or kind.startswith(_INERT_FAMILIES)


def _freshness(file: StoredFile) -> str:
    """How long a copy of a file may be used: a file never changes, but it may expire."""
    left = _YEAR if file.expires is None else max(0, int(file.expires - time.time()))
    return f"private, max-age={min(left, _YEAR)}, immutable"


async def _receive(request: Request) -> Path:
    """Write the body to a draft, a batch at a time and off the loop; nothing is left of one that breaks off."""
    service = service_of(request)
    limit, draft = service.settings.max_upload_bytes, service.files.draft()
    announced = request.headers.get("content-length", "")
    _bounded(int(announced) if announced.isdecimal() else 0, limit)
    size, batch = 0, bytearray()
    file = await asyncio.to_thread(draft.open, "wb")
    try:
        async for chunk in request.stream():
            size = _bounded(size + len(chunk), limit)
            batch += chunk
            if len(batch) >= _BATCH:
                await asyncio.to_thread(file.write, bytes(batch))
                batch.clear()
        await asyncio.to_thread(file.write, bytes(batch))
    except BaseException:
        file.close()
        draft.unlink(missing_ok=True)
        raise
    file.close()
    return draft


def _bounded(size: int, limit: int) -> int:
    if size > limit:
        raise BadRequest(413, f"The file is larger than {limit // 2**20} MiB.")
    return size


def _join(files: FileStore, file: StoredFile, listed: list[tuple[int, str]], limit: int) -> Path:
    """Join the listed parts into a draft and drop them."""
    total = 0
    for number, etag in listed:
        size = files.part_size(file.id, number)
        if size is None or etag != f'"{file.id}-{number}-{size}"':
            raise BadRequest(400, f"Part {number} has not come, or its etag is another.")
        total += size
    if not listed:
        raise BadRequest(400, "A file has at least one part.")
    _bounded(total, limit)
    return files.join(file.id, [number for number, _ in listed])


def _announced(request: Request) -> StoredFile:
    """The file that an upload's headers describe."""
    headers = request.headers
    names = (headers.get("x-fal-file-name", ""), headers.get("content-type", ""))
    return StoredFile.new(*names, file_seconds(headers))


async def _promised(request: Request, signature: str) -> StoredFile:
    """The file that an upload's address was made for."""
    files, file_id = service_of(request).files, request.path_params["file_id"]
    known = files.allows(signature, file_id, purpose="put")
    file = await files.away(files.promised, file_id) if known else None
    if file is None:
        raise BadRequest(404, "There is no such upload.")
    return file


def _write_signature(request: Request) -> str:
    given = request.path_params
    return str(given.get("upload_id") or given["signature"])


def _cdn(request: Request) -> str:
    return f"{origin_of(request)}/cdn"


def _address(request: Request, file: StoredFile) -> str:
    return f"{_cdn(request)}/files/{service_of(request).files.address(file)}"
