"""What a client must make of each recorded answer of a Dify server: one table, grouped by what had been asked.

A name stands for the recordings of one version or, with `*`, of both.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.dify_recordings import FOLDER, NEW, OLD


@dataclass(frozen=True)
class Expected:
    """What becomes of a run.

    Attributes:
        status: Its last status.
        files: How many files of its outputs are on this machine.
        lost: How many of them are named and could not be had.
        words: What its error says.
        then: The record that is found when its stream is over before the run is.
    """

    status: str = "succeeded"
    files: int = 0
    lost: int = 0
    words: str = ""
    then: str = ""


def _each(table: dict[str, Expected | str]) -> dict[str, Expected]:
    """One row for each recording; mere words are those of a refusal."""
    rows = {}
    for pattern, row in table.items():
        expected = Expected("failed", words=row) if isinstance(row, str) else row
        for name in names(pattern):
            assert name not in rows, f"{name} stands twice"
            rows[name] = expected
    return rows


def names(pattern: str) -> list[str]:
    """The recordings a name stands for."""
    names = [f"{path.parent.name}/{path.name}" for path in sorted(FOLDER.glob(pattern))]
    assert names, f"no recording is called {pattern}"
    return names


_PICTURE = Expected(files=1)
_ECHOED = Expected(files=2)
_WELL = Expected()
_MUTE = Expected("unknown", words="ended before the run began")
_NOT_JSON = "Did not attempt to load JSON data because the request Content-Type was not"
_NOT_UNDERSTOOD = "sent a request that this server could not understand"
_OTHER_TYPE = "Detected file type does not match the specified type"
_WRONG_APP = "not_workflow_app.*\n.*another kind of app"
_NO_KEY = "Authorization header must be provided and start with 'Bearer'"
_BAD_KEY = "Access token is invalid"
_NO_ROUTE = "404 Not Found.*\n.*ends in /v1"

RUNS = _each(
    {
        "*/01-image-blocking.http": _PICTURE,
        "*/02-image-streaming.http": _PICTURE,
        "*/02-image-streaming-raw.raw": _PICTURE,
        "*/03-no-response-mode.http": _PICTURE,
        "*/03b-unknown-input.http": _PICTURE,
        f"{NEW}/10-fail-blocking.http": "dify/default failed: Reached maximum retries",
        f"{OLD}/10-fail-blocking.http": "dify/default failed: Node Broken upstream run failed",
        f"{NEW}/10-fail-streaming.http": r"step .* \(boom\) of dify/default failed: Reached maximum retries",
        f"{OLD}/10-fail-streaming.http": r"step .* \(boom\) of dify/default failed: Node Broken upstream",
        "*/10-codefail-blocking.http": "dify/default failed: .*Traceback(.|\n)*bad input: x",
        "*/10-codefail-streaming.http": r"\(calc\) of dify/default failed: .*Traceback(.|\n)*bad input: x",
        f"{NEW}/12-retry-*.http": _WELL,
        f"{NEW}/13-partial-*.http": _WELL,
        f"{NEW}/15-iteration-*.http": Expected(files=3),
        f"{OLD}/15-iteration-*.http": Expected(lost=3),
        f"{NEW}/15-loop-*.http": _WELL,
        f"{NEW}/15-onefile-*.http": _PICTURE,
        f"{NEW}/15-parallel-*.http": Expected(files=2),
        f"{OLD}/15-parallel-*.http": _PICTURE,
        f"{OLD}/15-qr-*.http": _PICTURE,
        f"{NEW}/15-text-*.http": _WELL,
        f"{OLD}/15-text-*.http": "not a valid type",
        f"{NEW}/16-text-*.http": _WELL,
        f"{NEW}/16-text-streaming-raw.raw": _WELL,
        f"{NEW}/20a-stop-same-user.raw": Expected("cancelled", words="Stopped by user"),
        f"{NEW}/20b-stop-other-user.raw": Expected("cancelled", words="Stopped by user"),
        f"{OLD}/20a-stop-same-user.raw": Expected("cancelled", words="Workflow stopped"),
        f"{OLD}/20b-stop-other-user.raw": _WELL,
        "*/30-missing-required.http": "prompt is required in input form",
        f"{OLD}/30b-missing-required-streaming.http": "prompt is required in input form",
        f"{NEW}/30b-missing-required-streaming.http": _MUTE,
        f"{NEW}/30x-missing-required-streaming-full.raw": _MUTE,
        f"{OLD}/30c-empty-required.http": "prompt is required in input form",
        f"{NEW}/30c-empty-required.http": _PICTURE,
        "*/30d-too-long.http": "must be less than 48 characters",
        "*/30e-bad-select.http": r"one of the following: \['photo', 'anime', 'sketch'\]",
        "*/30f-bad-number.http": "steps in input form must be a valid number",
        "*/30g-number-as-string.http": _PICTURE,
        "*/30h-number-as-bool.http": _PICTURE,
        "*/30i-text-as-number.http": "prompt in input form must be a string",
        "*/30j-null-required.http": "prompt is required in input form",
        "*/30k-empty-number.http": _PICTURE,
        "*/30l-float-number.http": _PICTURE,
        "*/31-no-user.http": "Arg user must be provided",
        "*/31b-empty-user.http": "Arg user must be provided",
        "*/31c-int-user.http": _PICTURE,
        f"{OLD}/31d-no-inputs.http": "Missing required parameter in the JSON body",
        f"{NEW}/31d-no-inputs.http": "inputs Field required",
        f"{OLD}/31e-inputs-string.http": "dictionary update sequence",
        f"{NEW}/31e-inputs-string.http": "inputs Input should be a valid dictionary",
        f"{OLD}/31f-inputs-list.http": "prompt is required in input form",
        f"{NEW}/31f-inputs-list.http": "inputs Input should be a valid dictionary",
        f"{OLD}/31g-bad-mode.http": "sync is not a valid choice",
        f"{NEW}/31g-bad-mode.http": "response_mode Input should be 'blocking' or 'streaming'",
        "*/31h-bad-json.http": _NOT_UNDERSTOOD,
        "*/31i-empty-body.http": _NOT_UNDERSTOOD,
        "*/31i2-json-list.http": r"Internal Server Error \(HTTP 500, unknown\)",
        "*/31j-form-body.http": _NOT_JSON,
        "*/31k-get.http": "The method is not allowed",
        "*/31l-unknown-route.http": _NO_ROUTE,
        "*/31n-trailing-slash.http": _NO_ROUTE,
        "*/31o-null-files.http": _PICTURE,
        "*/32-bad-key.http": f"{_BAD_KEY}.*\n.*key of this connection is missing or wrong",
        "*/32b-no-auth.http": _NO_KEY,
        "*/32c-basic.http": "Authorization scheme must be 'Bearer'",
        "*/32d-lowercase-bearer.http": _PICTURE,
        "*/32e-key-only.http": _NO_KEY,
        "*/32f-double-space.http": _PICTURE,
        "*/32g-x-api-key.http": _NO_KEY,
        "*/32h-dataset-key.http": _BAD_KEY,
        "*/32i-bad-key-bad-body.http": _BAD_KEY,
        f"{NEW}/33-run-by-id.http": _PICTURE,
        f"{NEW}/33b-run-by-id-streaming.http": _PICTURE,
        f"{NEW}/33c-run-by-id-unknown.http": "Workflow not found with id",
        f"{NEW}/33d-run-by-id-notuuid.http": "Invalid workflow_id format: 'nope'",
        f"{NEW}/33e-run-by-id-other-apps.http": "Workflow not found with id",
        f"{NEW}/33f-run-by-draft-id.http": "Cannot use draft workflow version",
        f"{OLD}/33*.http": _NO_ROUTE,
        f"{NEW}/35-unpublished.http": "Workflow not published",
        f"{NEW}/35b-unpublished-streaming.http": "Workflow not published",
        f"{NEW}/36-api-disabled.http": "has been disabled.*\n.*may be switched off",
        f"{NEW}/37-chat-app-key.http": _WRONG_APP,
        f"{NEW}/41-file-local.http": _ECHOED,
        f"{NEW}/41b-filelist-local.http": _ECHOED,
        f"{NEW}/41c-file-local-streaming.http": _ECHOED,
        f"{NEW}/41d-file-remote.http": Expected(files=1, lost=1),
        f"{NEW}/41e-file-other-user.http": _ECHOED,
        f"{NEW}/41f-file-unknown-id.http": "Invalid upload file",
        f"{NEW}/41g-file-notuuid.http": "Invalid upload file id format",
        f"{NEW}/41h-file-type-document.http": _OTHER_TYPE,
        f"{NEW}/41i-file-bad-method.http": "No matching enum found for value 'carrier_pigeon'",
        f"{NEW}/41j-file-remote-nourl.http": "Invalid file url",
        f"{NEW}/41k-file-remote-unreachable.http": "Reached maximum retries",
        f"{NEW}/41l-file-no-type.http": _OTHER_TYPE,
        f"{NEW}/41m-file-as-string.http": "picture in input form must be a file",
        f"{NEW}/41n-file-as-list.http": "picture in input form must be a file",
        f"{NEW}/41o-filelist-as-dict.http": "must be a list of files",
        f"{NEW}/41p-top-level-files.http": _PICTURE,
        f"{NEW}/41q-filelist-empty.http": _PICTURE,
        f"{NEW}/41r-file-remote-404.http": _OTHER_TYPE,
        f"{NEW}/41s-remote-url-key.http": Expected(files=1, lost=1),
        f"{NEW}/41t-file-id-key.http": "Invalid upload file id",
        f"{OLD}/41*.http": _PICTURE,  # of 2024, and without variables for files: they are dropped
        "*/50-ping-34s.raw": _WELL,
        f"{OLD}/51-disconnect.raw": Expected(
            "unknown", words="never records how a run ended", then="51b-disconnect-detail-running.http"
        ),
        f"{NEW}/51-disconnect.raw": Expected(then="51c-disconnect-detail-later.http"),
        f"{NEW}/52-blocking-110s.http": _WELL,
        f"{NEW}/61-human-stream-raw.raw": Expected(files=1, then="65-human-detail-after.http"),
    }
)

RECORDS = _each(
    {
        "*/04-run-detail.http": _PICTURE,
        f"{OLD}/04b-run-detail-other-app-key.http": _PICTURE,
        f"{NEW}/04b-run-detail-other-app-key.http": "Workflow run not found",
        f"{OLD}/04c-run-detail-unknown.http": "the server knows no run",
        f"{NEW}/04c-run-detail-unknown.http": "Workflow run not found",
        "*/04d-run-detail-notuuid.http": "Internal Server Error",
        f"{NEW}/10-fail-detail.http": "Reached maximum retries",
        f"{OLD}/10-fail-detail.http": "Node Broken upstream run failed",
        "*/10-codefail-detail.http": "Traceback(.|\n)*bad input: x",
        f"{OLD}/20a-stop-same-user-detail.http": Expected("cancelled", words="Workflow stopped"),
        f"{NEW}/20a-stop-same-user-detail.http": Expected("running"),
        f"{OLD}/20b-stop-other-user-detail.http": _WELL,
        f"{NEW}/20b-stop-other-user-detail.http": Expected("running"),
        "*/51b-disconnect-detail-running.http": Expected("running"),
        f"{OLD}/51c-disconnect-detail-later.http": Expected("running"),
        f"{NEW}/51c-disconnect-detail-later.http": _WELL,
        f"{NEW}/62-human-detail-paused.http": Expected("paused"),
        f"{NEW}/65-human-detail-after.http": _PICTURE,
    }
)

UPLOADS = _each(
    {
        "*/40-upload.http": _WELL,
        "*/40b-upload-unicode-name.http": _WELL,
        f"{OLD}/40c-upload-no-file.http": _NOT_UNDERSTOOD,
        f"{NEW}/40c-upload-no-file.http": "Please upload your file",
        "*/40d-upload-no-user.http": _WELL,
        "*/40e-upload-two.http": "Only one file is allowed",
        "*/40e2-upload-two-same-field.http": _WELL,
        f"{OLD}/40f-upload-wrong-field.http": _NOT_UNDERSTOOD,
        f"{NEW}/40f-upload-wrong-field.http": "Please upload your file",
        "*/40g-upload-txt.http": _WELL,
        f"{OLD}/40h-upload-exe.http": "File type not allowed",
        f"{NEW}/40h-upload-exe.http": _WELL,
        "*/40i-upload-too-big-image.http": "File size exceeded.*\n.*takes smaller files only",
        "*/40i2-upload-too-big-doc.http": "File size exceeded.*\n.*takes smaller files only",
        "*/40j2-upload-wrong-mime.http": _WELL,
        f"{OLD}/40k-upload-json.http": _NOT_UNDERSTOOD,
        f"{NEW}/40k-upload-json.http": "Please upload your file",
        f"{OLD}/40l-upload-no-filename.http": "File type not allowed",
        f"{NEW}/40l-upload-no-filename.http": "The specified filename does not exist",
        "*/40m-upload-bad-key.http": _BAD_KEY,
        f"{OLD}/40n-upload-slash-name.http": _WELL,
        f"{NEW}/40n-upload-slash-name.http": "Filename contains invalid characters",
        "*/40o-upload-empty.http": _WELL,
    }
)

STOPS = _each(
    {
        "*/20*-stopcall*.http": _WELL,
        "*/21-stop-unknown-task.http": _WELL,
        "*/21b-stop-notuuid.http": _WELL,
        "*/21c-stop-no-user.http": "Arg user must be provided",
        "*/21d-stop-no-body.http": _NOT_JSON,
        f"{NEW}/37c-chat-stop.http": _WRONG_APP,
    }
)

FORMS = _each(
    {
        "*/06-parameters*.http": _WELL,
        "*/32j-bad-key-get.http": _BAD_KEY,
        f"{NEW}/35c-unpublished-parameters.http": "App unavailable.*\n.*is the app published",
        f"{NEW}/36b-api-disabled-get.http": "has been disabled",
        f"{NEW}/38-deleted-key.http": _BAD_KEY,
    }
)

ABOUT = _each(
    {
        "*/06-info.http": _WELL,
        "*/06-meta.http": _WELL,
        f"{NEW}/06-site.http": _WELL,
        f"{OLD}/06-site.http": "came with Dify 1.4, and this server is 0.6.16",
        f"{NEW}/37b-chat-app-info.http": _WELL,
    }
)

LOGS = _each(
    {
        f"{NEW}/34-logs.http": _WELL,
        f"{NEW}/34b-logs-status-failed.http": _WELL,
        f"{NEW}/34c-logs-bad-status.http": "status Input should be 'succeeded', 'failed' or 'stopped'",
        f"{NEW}/34d-logs-limit-101.http": "limit Input should be less than or equal to 100",
        f"{NEW}/34e-logs-page-2.http": _WELL,
        f"{NEW}/34f-logs-user.http": _WELL,
        f"{NEW}/34g-logs-keyword.http": _WELL,
        f"{NEW}/34h-logs-running.http": "status Input should be 'succeeded', 'failed' or 'stopped'",
        f"{NEW}/34i-logs-bad-date.http": "invalid literal for int",
        f"{OLD}/34*.http": "came with Dify 0.9, and this server is 0.6.16",
        f"{NEW}/37d-chat-logs.http": _WELL,
    }
)

FILES = _each(
    {
        "*/07-file-get.bin": _PICTURE,
        "*/07-file-get.http": _PICTURE,
        "*/07c-file-attachment.http": _PICTURE,
        "*/07d-file-bad-sign.http": "expired",
        "*/07e-file-no-query.http": "HTTP 400",
        "*/07f-file-expired.http": "expired",
        "*/07g-file-range.http": _PICTURE,
        "*/07h-file-with-auth.http": _PICTURE,
    }
)

SECOND_STREAMS = _each(
    {
        f"{NEW}/62b-human-events-v1.http": _PICTURE,
        f"{NEW}/64-human-events-after-submit.http": _PICTURE,
        f"{NEW}/66-human-events-finished.http": _PICTURE,
    }
)

_BY_PAGE = "Dify's web page"

ANSWERS = _each(
    {
        f"{NEW}/63b-human-form-post-badaction-v1.http": _BY_PAGE,
        f"{NEW}/63b-human-form-post-badaction-web.http": "Invalid action: nope",
        f"{NEW}/63c-human-form-post-v1.http": _BY_PAGE,
        f"{NEW}/63c-human-form-post-web.http": _WELL,
        f"{NEW}/63d-human-form-post-again-v1.http": _BY_PAGE,
        f"{NEW}/63d-human-form-post-again-web.http": "already been submitted",
    }
)
"""What becomes of an answer to a form. Later servers give programs the answers that this one gives its own page."""

NOT_ASKED = {
    "*/INDEX.md": "the requests that were sent",
    "*/*.timing": "when the pieces of a stream arrived, of the same name",
    "*/07b-file-head.http": "files are fetched at once, not asked about first",
    "*/31m-options.http": "only browsers ask so before they ask",
    f"{NEW}/37e-workflow-key-on-chat.http": "a workflow is not a chat",
    f"{NEW}/37f-workflow-key-on-completion.http": "nor a completion",
    "*/42*-file-preview*.http": "servers show the files of chats so, not those of workflows",
    f"{NEW}/63-human-form-get-*.http": "the event that pauses a run brings the form along",
}
