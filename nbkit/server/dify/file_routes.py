"""Uploads, and the files themselves behind addresses that expire."""

from __future__ import annotations

import time
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.responses import Response, StreamingResponse

from nbkit.server.dify.exchange import ANY_ORIGIN, app_of, reply, state_of
from nbkit.server.dify.files import kind_of
from nbkit.server.dify.refused import Refused
from nbkit.server.files import StoredFile
from nbkit.server.replies import BadRequest, origin_of
from nbkit.server.storage_routes import FILE_HEADERS, is_inert
from nbkit.wire.dify.field_errors import field_errors, missing
from nbkit.wire.dify.file_answers import LOCAL_FILE, TOOL_FILE, upload_answer
from nbkit.wire.dify.form_answers import AUDIO_MB, IMAGE_MB, OTHER_MB, VIDEO_MB

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.requests import Request

    from nbkit.wire.dify.era import Era

MiB = 2**20
_LIMITS = {"image": IMAGE_MB, "audio": AUDIO_MB, "video": VIDEO_MB}
_FORM_BYTES = MiB  # what may stand around a file
_MOST_PARTS = 20
_LONGEST_NAME = 200
_ANYBODY = "DEFAULT-USER"
_FORBIDDEN = frozenset('/\\:*?"<>|')
_NO_MESSAGE = "File not found in message context"


async def upload(request: Request) -> Response:
    """Take a file."""
    app, state = app_of(request), state_of(request)
    form = await _form(request)
    try:
        given = _only_file(form, state.era)
        limit = _LIMITS.get(kind_of(given.filename or "", given.content_type or ""), OTHER_MB) * MiB
        size = given.size or 0
        if size > limit:
            # The genuine of later versions says this, brackets and all.
            words = "{message}" if state.era.has_file_marks else f"{size} > {limit}"
            raise Refused.of(413, "file_too_large", f"File size exceeded. {words}")
        content = await given.read()
        user = form.get("user")
    finally:
        await form.close()
    stored = StoredFile.named(given.filename or "", given.content_type or "")
    files = state.service.files
    await files.away(files.put, stored, content)
    kept = await files.away(state.files.kept, stored, LOCAL_FILE)
    file = state.files.addressed(kept, origin_of(request))
    who = state.user_id(app, user if isinstance(user, str) and user else _ANYBODY)
    answer = upload_answer(file, state.era, created_by=who, created_at=int(time.time()), tenant=state.tenant)
    return reply(request, answer, 201)


async def preview(request: Request) -> Response:
    """Refuse a file: this route is for the files of chats."""
    app_of(request)
    raise Refused.of(404, "file_not_found", _NO_MESSAGE)


async def tool_file(request: Request) -> Response:
    """Give a file that a step made."""
    return await _file(request, PurePosixPath(request.path_params["name"]).stem, "ToolFileQuery")


async def uploaded_file(request: Request) -> Response:
    """Give a file that was uploaded."""
    return await _file(request, str(request.path_params["file_id"]), "FilePreviewQuery")


async def _file(request: Request, file_id: str, query_name: str) -> Response:
    state, query = state_of(request), request.query_params
    given = dict(query)
    lacking = [
        missing(name, given, "query string") for name in ("timestamp", "nonce", "sign") if name not in query
    ]
    if lacking:
        raise Refused(400, field_errors(query_name, lacking, state.era))
    if not state.files.opens(file_id, query):
        raise Refused.of(403, "forbidden", "Invalid request.")
    files = state.service.files
    stored = await files.away(state.files.find, file_id)
    if stored is None:
        raise Refused.of(404, "not_found", "file is not found")
    facts = await files.away(state.files.kept, stored, TOOL_FILE)
    headers = {**ANY_ORIGIN, **FILE_HEADERS, "content-type": stored.content_type}
    wanted = query.get("as_attachment", "").lower() in ("true", "1") and state.era.has_file_marks
    if wanted or not is_inert(stored.content_type):
        headers["content-disposition"] = f"attachment; filename*=UTF-8''{quote(stored.name, safe='')}"
    if state.era.has_file_marks:
        headers["content-length"] = str(facts.size)
    if request.method == "HEAD":
        return StreamingResponse(iter(()), headers=headers)
    return StreamingResponse(files.pieces(stored.id), headers=headers)


async def _form(request: Request) -> FormData:
    """The fields of a form; no more is taken in than the largest file has."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        return FormData()
    limit = VIDEO_MB * MiB + _FORM_BYTES

    async def bounded() -> AsyncGenerator[bytes, None]:
        taken = 0
        async for chunk in request.stream():
            taken += len(chunk)
            if taken > limit:
                raise BadRequest(413, "The form is larger than any file may be.")
            yield chunk

    try:
        return await MultiPartParser(
            request.headers, bounded(), max_files=_MOST_PARTS, max_fields=_MOST_PARTS
        ).parse()
    except MultiPartException as error:
        raise Refused.of(400, "bad_request", error.message) from error
    except (KeyError, UnicodeError) as error:  # a form without a boundary, or with a strange one
        raise Refused.of(400, "bad_request", "The form cannot be read.") from error


def _only_file(form: FormData, era: Era) -> UploadFile:
    """The one file of a form.

    Raises:
        Refused: There is none, or more, or it is not one to take.
    """
    files: dict[str, UploadFile] = {}
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            files.setdefault(name, value)
    if "file" not in files:
        if era.has_file_marks:
            raise Refused.of(400, "no_file_uploaded", "Please upload your file.")
        words = "The browser (or proxy) sent a request that this server could not understand."
        raise Refused.of(400, "bad_request_key_error", words)
    if len(files) > 1:
        raise Refused.of(400, "too_many_files", "Only one file is allowed.")
    file = files["file"]
    name = file.filename or ""
    suffix = PurePosixPath(name).suffix.removeprefix(".").lower()
    if not name and not era.upload_suffixes:
        raise Refused.of(400, "filename_not_exists_error", "The specified filename does not exist.")
    if not file.content_type or (era.upload_suffixes and suffix not in era.upload_suffixes):
        raise Refused.of(415, "unsupported_file_type", "File type not allowed.")
    if era.strict_upload_names and (_FORBIDDEN & set(name) or len(name) > _LONGEST_NAME):
        raise Refused.invalid("Filename contains invalid characters")
    return file
