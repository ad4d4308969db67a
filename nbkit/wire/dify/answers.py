"""What a Dify server answers about runs and apps, and its dialects of JSON (Dify docs: "Workflow App API")."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbkit.wire.dify.era import Era

PING = b"event: ping\n\n"
NOT_FOUND_PAGE = (
    b"<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n"
    b"<p>The requested URL was not found on the server. If you entered the URL manually please check your spelling "
    b"and try again.</p>\n"
)
RUNNING, SUCCEEDED, FAILED, STOPPED = "running", "succeeded", "failed", "stopped"
PARTLY = "partial-succeeded"


@dataclass(slots=True, kw_only=True)
class RunRecord:
    """What is known of a run, as JSON where it is JSON.

    Attributes:
        id: Its id.
        workflow_id: The workflow's.
        inputs: Its inputs, with what the system adds.
        user: Who asked.
        user_id: The id that the server has for them.
        number: How many runs the workflow had, this one included.
        status: `running`, `succeeded`, `partial-succeeded`, `failed` or `stopped`.
        outputs: What its end gave.
        error: Why it failed, None where it did not.
        elapsed: Seconds.
        steps: How many steps have ended or were at work.
        exceptions: How many steps failed.
        created: When it began, in seconds since 1970.
        finished: When it ended, None before.
        files: The files of its outputs, as JSON.
    """

    id: str
    workflow_id: str
    inputs: dict[str, Any]
    user: str
    user_id: str
    number: int
    created: int
    status: str = RUNNING
    outputs: Any = None
    error: str | None = None
    elapsed: float = 0.0
    steps: int = 0
    exceptions: int = 0
    finished: int | None = None
    files: list[Any] = field(default_factory=list)


def body(value: Any, era: Era) -> bytes:
    """A JSON answer, as all routes but one write it."""
    if not era.is_compact:
        return f"{json.dumps(value)}\n".encode("ascii")
    return (json.dumps(value, separators=(",", ":")).replace("/", "\\/") + "\n").encode("ascii")


def blocking(run: RunRecord, task_id: str) -> bytes:
    """The answer of a blocking run."""
    data = {
        "id": run.id,
        "workflow_id": run.workflow_id,
        "status": run.status,
        "outputs": run.outputs,
        "error": run.error,
        "elapsed_time": run.elapsed,
        "total_tokens": 0,
        "total_steps": run.steps,
        "created_at": run.created,
        "finished_at": run.finished,
    }
    return json.dumps({"task_id": task_id, "workflow_run_id": run.id, "data": data}).encode("ascii")


def event(payload: Mapping[str, Any], era: Era) -> bytes:
    """An event of a stream."""
    if not era.is_compact:
        return f"data: {json.dumps(payload)}\n\n".encode("ascii")
    # Text goes out as it is: what splits lines at more than CR and LF breaks here, as it does at the genuine.
    text = json.dumps(payload, separators=(",", ":"), ensure_ascii=False)
    return f"data: {text}\n\n".encode("utf-8", "replace")


def detail(run: RunRecord, era: Era) -> dict[str, Any]:
    """The record of a run."""
    is_over = run.finished is not None
    outputs = run.outputs if is_over else era.nothing
    return {
        "id": run.id,
        "workflow_id": run.workflow_id,
        "status": run.status,
        "inputs": json.dumps(run.inputs),
        "outputs": json.dumps(outputs) if era.record_is_text and outputs is not None else outputs,
        "error": run.error,
        "total_steps": run.steps if is_over else 0,
        "total_tokens": 0,
        "created_at": _moment(run.created, era),
        "finished_at": _moment(run.finished, era),
        "elapsed_time": run.elapsed if is_over else 0.0,
    }


def unknown_detail() -> dict[str, Any]:
    """The record of a run that is not known, where that is no error."""
    names = ("id", "workflow_id", "status", "inputs", "outputs", "error")
    later = ("created_at", "finished_at", "elapsed_time")
    return {**dict.fromkeys(names), "total_steps": 0, "total_tokens": 0, **dict.fromkeys(later)}


def log_entry(run: RunRecord, log_id: str, published: str) -> dict[str, Any]:
    """A run that ended, as the logs list it."""
    return {
        "id": log_id,
        "workflow_run": {
            "id": run.id,
            "version": published,
            "status": run.status,
            "triggered_from": "app-run",
            "error": run.error,
            "elapsed_time": run.elapsed,
            "total_tokens": 0,
            "total_steps": run.steps,
            "created_at": run.created,
            "finished_at": run.finished,
            "exceptions_count": run.exceptions,
        },
        "details": None,
        "created_from": "service-api",
        "created_by_role": "end_user",
        "created_by_account": None,
        "created_by_end_user": {
            "id": run.user_id,
            "type": "service-api",
            "is_anonymous": False,
            "session_id": run.user,
        },
        "created_at": run.finished,
    }


def info(name: str, description: str, era: Era) -> dict[str, Any]:
    """What an app says about itself."""
    about: dict[str, Any] = {"name": name, "description": description}
    return about | ({"tags": [], "mode": "workflow", "author_name": "nbkit"} if era.has_long_info else {})


def site(name: str) -> dict[str, Any]:
    """How an app's page would look."""
    return {
        "title": name,
        "chat_color_theme": None,
        "chat_color_theme_inverted": False,
        "icon_type": "emoji",
        "icon": "\N{FRAME WITH PICTURE}",
        "icon_background": "#FFEAD5",
        "description": None,
        "copyright": None,
        "privacy_policy": None,
        "custom_disclaimer": "",
        "default_language": "en-US",
        "show_workflow_steps": True,
        "use_icon_as_answer_icon": False,
        "icon_url": None,
    }


def refusal(status: int, code: str, message: str, *, field: str = "") -> dict[str, Any]:
    """The body of an error; one about a field of the body names it in place of the status."""
    return {"code": code, "message": message, **({"params": field} if field else {"status": status})}


def internal_error(era: Era) -> dict[str, Any]:
    """The body of a 500."""
    about: dict[str, Any] = {"message": "Internal Server Error", "code": "unknown"}
    return about | ({"status": 500} if era.tells_status_of_500 else {})


def _moment(seconds: int | None, era: Era) -> Any:
    return formatdate(seconds) if era.record_is_text and seconds is not None else seconds
