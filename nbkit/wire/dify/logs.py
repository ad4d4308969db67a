"""The runs of an app as its logs tell them (`GET /workflows/logs`, since 0.9)."""

from __future__ import annotations

import datetime as dt
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from nbkit.errors import InputError, ServiceError
from nbkit.model.records import Records

if TYPE_CHECKING:
    from collections.abc import Mapping

    Moment = dt.datetime | dt.date | str

COLUMNS = ("created", "status", "seconds", "steps", "tokens", "user", "run", "error")


def log_query(  # noqa: PLR0917 - one for each filter that Dify has
    keyword: str | None,
    status: str | None,
    before: Moment | None,
    after: Moment | None,
    user: str | None,
    page: int,
    limit: int,
) -> dict[str, Any]:
    """What to ask the logs for.

    Raises:
        InputError: A moment is not one.
    """
    given = {
        "keyword": keyword,
        "status": status,
        "created_at__before": _moment("before", before),
        "created_at__after": _moment("after", after),
        "created_by_end_user_session_id": user,
    }
    return {name: value for name, value in given.items() if value} | {"page": page, "limit": limit}


def read_logs(body: Mapping[str, Any]) -> Records:
    """Read a page of logs; what makes no sense is left out.

    Raises:
        ServiceError: It is no page of logs.
    """
    listed = body.get("data")
    if not isinstance(listed, list):
        raise ServiceError("asking for the app's logs: the answer is not what Dify answers", body=body)
    rows = [_row(entry, entry["workflow_run"]) for entry in listed if _is_run(entry)]
    total, page = body.get("total"), body.get("page")
    count = f"{len(rows)} of {total} runs" if isinstance(total, int) else f"{len(rows)} runs"
    more = f", page {page}" if isinstance(page, int) else ""
    return Records(f"{count}{more}", COLUMNS, rows)


def _is_run(entry: Any) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("workflow_run"), dict)


def _row(entry: Mapping[str, Any], run: Mapping[str, Any]) -> dict[str, Any]:
    by = entry.get("created_by_end_user")
    account = entry.get("created_by_account")
    by_account = account.get("name") if isinstance(account, dict) else None
    return {
        "run": run.get("id"),
        "status": run.get("status"),
        "created": _time(run.get("created_at") or entry.get("created_at")),
        "finished": _time(run.get("finished_at")),
        "seconds": run.get("elapsed_time"),
        "steps": run.get("total_steps"),
        "tokens": run.get("total_tokens"),
        "error": run.get("error") or None,
        "user": by.get("session_id") if isinstance(by, dict) else by_account,
        "from": entry.get("created_from"),
        "version": run.get("version"),
    }


def _time(value: Any) -> dt.datetime | None:
    """Seconds since 1970, or before 1.2 the text of an e-mail's header."""
    try:
        if isinstance(value, (int, float)):
            return dt.datetime.fromtimestamp(value, dt.UTC)
        return parsedate_to_datetime(value).astimezone(dt.UTC) if isinstance(value, str) else None
    except (ValueError, OverflowError, OSError):
        return None


def _moment(name: str, given: Moment | None) -> str | None:
    """A moment as the server reads it; one without a time zone is this machine's."""
    if given is None:
        return None
    try:
        moment = dt.datetime.fromisoformat(given) if isinstance(given, str) else given
        if not isinstance(moment, dt.datetime):
            moment = dt.datetime(moment.year, moment.month, moment.day)  # noqa: DTZ001 - made aware below
        return moment.astimezone(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    except (ValueError, AttributeError, OverflowError, OSError):
        raise InputError(
            f"{name} is not a moment: {given!r:.60}",
            field=name,
            hint="give a datetime, a date, or text as 2026-01-31T12:00",
        ) from None
