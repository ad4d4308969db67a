"""`POST /v1/workflows/run` and its like: runs begun, streamed, waited for and stopped."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from starlette.responses import Response

from nbkit.server.dify.exchange import about, app_of, read_payload, reply, state_of
from nbkit.server.dify.refused import Refused
from nbkit.server.dify.run_stream import RunStream
from nbkit.server.dify.state import workflow_id
from nbkit.server.replies import origin_of, taking_in
from nbkit.wire.dify.answers import blocking
from nbkit.wire.dify.field_errors import field_errors
from nbkit.wire.dify.form_answers import MOST_FILES, checked_inputs
from nbkit.wire.dify.parameters import FILE_KINDS
from nbkit.wire.dify.run_request import PAYLOAD, STREAMING, read_run_request

if TYPE_CHECKING:
    from starlette.requests import Request

    from nbkit.server.dify.apps import WorkflowApp
    from nbkit.server.dify.live_run import LiveRun
    from nbkit.server.dify.state import DifyState
    from nbkit.wire.dify.file_answers import FileFacts
    from nbkit.wire.dify.run_request import RunRequest


async def run(request: Request) -> Response:
    """Run the app's workflow."""
    return await _run(request, app_of(request))


async def run_by_id(request: Request) -> Response:
    """Run the version of the app's workflow that has an id: there is one."""
    app, wanted = app_of(request), request.path_params["workflow_id"]
    try:
        uuid.UUID(wanted)
    except ValueError:
        raise Refused.of(400, "bad_request", f"Invalid workflow_id format: {wanted[:80]!r}. ") from None
    if wanted != workflow_id(app):
        raise Refused.of(404, "not_found", f"Workflow not found with id: {wanted}")
    return await _run(request, app)


async def stop(request: Request) -> Response:
    """Stop a run; one that is not there counts as stopped."""
    app = app_of(request)
    _, user = await read_payload(request)
    state_of(request).stop(request.path_params["task_id"], app, user)
    return reply(request, {"result": "success"})


async def _run(request: Request, app: WorkflowApp) -> Response:
    state = state_of(request)
    async with taking_in(request):
        payload, user = await read_payload(request)
        asked = read_run_request(payload, state.era)
        if isinstance(asked, list):
            raise Refused(400, field_errors(PAYLOAD, asked, state.era))
        live = await _begun(state, app, user, asked, origin_of(request))
    if asked.mode == STREAMING:
        service = state.service
        return RunStream(live, about(app), ping=service.settings.dify_ping, keys=service.keys)
    await live.over()
    content = blocking(live.record, live.task_id)
    return Response(content, headers=about(app) | {"content-type": state.era.blocking_type})


async def _begun(state: DifyState, app: WorkflowApp, user: str, asked: RunRequest, origin: str) -> LiveRun:
    """Begin a run; its files are looked up first, so that a wrong one is told at once."""
    inputs = checked_inputs(app.form, asked.inputs, state.era)
    wanted = [it.name for it in app.form.variables if it.kind in FILE_KINDS]
    for name in wanted:
        if isinstance(given := inputs.get(name), dict):
            inputs[name] = await state.files.input_file(given, origin)
    beside: list[FileFacts] = []
    if wanted:
        if len(asked.files) > MOST_FILES:
            raise Refused.invalid(f"Number of files exceeds the maximum limit {MOST_FILES}")
        beside = [await state.files.input_file(file, origin) for file in asked.files]
    return state.begin(app, user, inputs, beside, origin)
