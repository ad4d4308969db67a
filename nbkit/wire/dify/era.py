"""What sets Dify's servers of one time apart from those of another, as named facts.

Seen on genuine servers of both versions; a server that speaks one of them asks an `Era`, never a version.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nbkit.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Era:
    """The facts of one version.

    Attributes:
        version: What its servers call themselves (`X-Version`).
        headers: Header fields of every answer.
        challenge: The `WWW-Authenticate` of a 401, or an empty string.
        allow_on_405: Whether a wrong method is told the right ones.
        is_compact: Whether JSON is written without spaces.
        blocking_type: Content type of the answer of a blocking run.
        missing_routes: Routes that came later.
        parses_strictly: Whether wrong fields of a body are told in pydantic's words; else one field at a time, with
            `params` in place of `status`.
        tells_status_of_500: Whether the body of a 500 repeats its status.
        has_file_identity: Whether files in outputs are `__dify__file__` objects; else `FileVar`.
        has_file_variables: Whether files are inputs by name; else they come beside the inputs only.
        has_file_marks: Whether uploads are described at length, and files served with a length and as attachments.
        upload_suffixes: Endings that uploads may have, none for any.
        strict_upload_names: Whether names with path separators and their like are refused.
        refuses_empty_text: Whether an empty text counts as missing.
        unset: What an optional input has that was not given.
        enum_kinds: Whether kinds of inputs are written as `Type.TEXT_INPUT`.
        nothing: What stands where a step gave nothing.
        has_system_ids: Whether inputs tell the ids of app, workflow and run.
        counts_runs: Whether runs have a sequence number; else a reason.
        counts_nodes: Whether steps are numbered and name the one before.
        has_node_marks: Whether steps tell what was cut off, and their loops.
        handles_errors: Whether a workflow can go on behind a step that failed.
        names_failed_node: Whether a run's error begins with its step.
        pings_at_once: Whether a stream begins with a ping.
        tells_text: Whether outputs are also streamed as text.
        ends_with_speech: Whether every stream ends with `tts_message_end`.
        stopped: What a stopped run has for its error.
        stop_is_private: Whether only who began a run can stop it.
        records_dropped: Whether runs are recorded whose stream was dropped.
        record_is_text: Whether a record has its outputs as JSON text and its times as dates.
        keeps_apps_apart: Whether a run is shown to its own app alone, and an unknown one is a 404.
        has_long_info: Whether the app says more than its name and description.
    """

    version: str
    headers: tuple[tuple[str, str], ...] = ()
    challenge: str = ""
    allow_on_405: bool = False
    is_compact: bool
    blocking_type: str
    missing_routes: frozenset[str] = frozenset()
    parses_strictly: bool
    tells_status_of_500: bool
    has_file_identity: bool
    has_file_variables: bool
    has_file_marks: bool
    upload_suffixes: frozenset[str] = frozenset()
    strict_upload_names: bool
    refuses_empty_text: bool
    unset: Any
    enum_kinds: bool
    nothing: Any
    has_system_ids: bool
    counts_runs: bool
    counts_nodes: bool
    has_node_marks: bool
    handles_errors: bool
    names_failed_node: bool
    pings_at_once: bool
    tells_text: bool
    ends_with_speech: bool
    stopped: str
    stop_is_private: bool
    records_dropped: bool
    record_is_text: bool
    keeps_apps_apart: bool
    has_long_info: bool


_EARLY_SUFFIXES = "txt markdown md pdf html htm xlsx xls docx csv jpg jpeg png webp gif svg"
_EARLY = Era(
    version="0.6.16",
    headers=(("set-cookie", "remember_token=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/"),),
    allow_on_405=True,
    is_compact=False,
    blocking_type="application/json",
    missing_routes=frozenset({"logs", "run_by_id", "preview", "site"}),
    parses_strictly=False,
    tells_status_of_500=False,
    has_file_identity=False,
    has_file_variables=False,
    has_file_marks=False,
    upload_suffixes=frozenset(_EARLY_SUFFIXES.split()),
    strict_upload_names=False,
    refuses_empty_text=True,
    unset="",
    enum_kinds=True,
    nothing=None,
    has_system_ids=False,
    counts_runs=True,
    counts_nodes=True,
    has_node_marks=False,
    handles_errors=False,
    names_failed_node=True,
    pings_at_once=False,
    tells_text=False,
    ends_with_speech=True,
    stopped="Workflow stopped.",
    stop_is_private=True,
    records_dropped=False,
    record_is_text=True,
    keeps_apps_apart=False,
    has_long_info=False,
)
_LATE = Era(
    version="1.13.2",
    headers=(
        ("access-control-expose-headers", "X-Env, X-Trace-Id, X-Version"),
        ("vary", "Cookie"),
    ),
    challenge='Bearer realm="api"',
    is_compact=True,
    blocking_type="application/json; charset=utf-8",
    parses_strictly=True,
    tells_status_of_500=True,
    has_file_identity=True,
    has_file_variables=True,
    has_file_marks=True,
    strict_upload_names=True,
    refuses_empty_text=False,
    unset=None,
    enum_kinds=False,
    nothing={},
    has_system_ids=True,
    counts_runs=False,
    counts_nodes=False,
    has_node_marks=True,
    handles_errors=True,
    names_failed_node=False,
    pings_at_once=True,
    tells_text=True,
    ends_with_speech=False,
    stopped="Stopped by user.",
    stop_is_private=False,
    records_dropped=True,
    record_is_text=False,
    keeps_apps_apart=True,
    has_long_info=True,
)
ERAS = {"0.6": _EARLY, "1.13": _LATE}


def era_of(version: str) -> Era:
    """The era of a version, `0.6` or `1.13`.

    Raises:
        ConfigError: It is another.
    """
    if version not in ERAS:
        raise ConfigError(f"there is no Dify {version[:40]!r} here", hint=f"one of {', '.join(ERAS)}")
    return ERAS[version]
