"""`GET /v1/workflows/run/…` and `/v1/workflows/logs`: what is known of runs."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from nbkit.server.dify.exchange import about, app_of, reply, state_of
from nbkit.server.dify.refused import Refused
from nbkit.server.dify.state import identity
from nbkit.wire.dify import answers
from nbkit.wire.dify.field_errors import FieldProblem, field_errors, not_one_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from nbkit.wire.dify.answers import RunRecord

_STATUSES = ("succeeded", "failed", "stopped")
_LARGEST_PAGE, _LAST_PAGE, _USUAL_PAGE = 100, 99_999, 20
_QUERY = "WorkflowLogQuery"


async def detail(request: Request) -> Response:
    """What became of a run."""
    app, state = app_of(request), state_of(request)
    run_id = request.path_params["run_id"]
    try:
        uuid.UUID(run_id)
    except ValueError:
        raise Refused(500, answers.internal_error(state.era)) from None
    found = state.runs.find(run_id)
    if found and (found[0] is app or (found[0].owner == app.owner and not state.era.keeps_apps_apart)):
        answer = reply(request, answers.detail(found[1], state.era))
        answer.headers.update(about(found[0]))
        return answer
    if state.era.keeps_apps_apart:
        raise Refused.of(404, "not_found", "Workflow run not found.")
    return reply(request, answers.unknown_detail())


async def logs(request: Request) -> Response:
    """The app's runs that are over, a page at a time, the newest first."""
    app, state = app_of(request), state_of(request)
    query = request.query_params
    problems: list[FieldProblem] = []
    page = _count(query, "page", 1, _LAST_PAGE, problems)
    limit = _count(query, "limit", _USUAL_PAGE, _LARGEST_PAGE, problems)
    if query.get("status") and query["status"] not in _STATUSES:
        problems.append(not_one_of("status", query["status"], _STATUSES))
    if problems:
        raise Refused(400, field_errors(_QUERY, problems, state.era))
    before, after = (_moment(query.get(f"created_at__{name}", "")) for name in ("before", "after"))
    found = [
        run
        for run in state.runs.ended(app)
        if _matches(run, query)
        and (before is None or run.created <= before)
        and (after is None or run.created >= after)
    ]
    shown = found[(page - 1) * limit : page * limit]
    entries = [answers.log_entry(run, identity("log", run.id), state.published) for run in shown]
    more = len(found) > page * limit
    listed = {"page": page, "limit": limit, "total": len(found), "has_more": more, "data": entries}
    return reply(request, listed)


def _matches(run: RunRecord, query: Mapping[str, str]) -> bool:
    if query.get("status") not in (None, "", run.status):
        return False
    if query.get("created_by_end_user_session_id") not in (None, "", run.user):
        return False
    if query.get("created_by_account"):
        return False  # runs come by keys here, none by an account
    word = query.get("keyword", "")
    return not word or word in run.user or word == run.id or word in _text(run)


def _text(run: RunRecord) -> str:
    return json.dumps([run.inputs, run.outputs], ensure_ascii=False)


def _count(query: Mapping[str, str], name: str, usual: int, most: int, problems: list[FieldProblem]) -> int:
    given = query.get(name)
    if given is None:
        return usual
    if not given.isdecimal() or len(given) > len(str(2**62)):
        words = "Input should be a valid integer, unable to parse string as an integer"
        problems.append(FieldProblem(name, "int_parsing", words, given, ""))
    elif int(given) > most:
        words = f"Input should be less than or equal to {most}"
        problems.append(FieldProblem(name, "less_than_equal", words, given, ""))
    elif int(given) < 1:
        words = "Input should be greater than or equal to 1"
        problems.append(FieldProblem(name, "greater_than_equal", words, given, ""))
    else:
        return int(given)
    return usual


def _moment(text: str) -> float | None:
    """A date and time as seconds since 1970, of UTC where it names no zone."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        shown = text[:4].encode("utf-8", "replace")
        raise Refused.invalid(f"invalid literal for int() with base 10: {shown!r}") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
