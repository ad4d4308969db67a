"""Every error nbkit raises, as one tree.

NbkitError
├─ InputError            what was asked for cannot be sent; names the field
├─ ConfigError           a setting is wrong or missing; names it, never its value
│  └─ CredentialsError   no key, or one that cannot be used
├─ ConnectionFailed      the service was never reached, so nothing was started
├─ RequestLost           a request was sent and its answer did not come
├─ ServiceError          the service answered and refused
│  └─ ValidationFailed   it refused single fields of the input (HTTP 422)
├─ RunError              a run began and ended badly
│  ├─ RunFailed          the service says that it failed
│  ├─ RunCancelled       somebody stopped it
│  ├─ RunTimeout         the caller's time ran out; it was cancelled at the service
│  └─ RunUnknown         its fate is not known, and sending it again might bill twice
├─ StreamBroken          a stream ended or went silent before its end
├─ MediaError            a file cannot be read, fetched or stored
├─ EngineError           a local model cannot do this
│  ├─ MissingWeights     its weights are not on this machine
│  ├─ MissingPackage     what runs it is not installed
│  └─ OutOfMemory        this machine has not enough memory for it
├─ NotInHistory          a replay does not hold this call, and asks nobody else
├─ WebhookError          a webhook is not genuine, or cannot be read
└─ ServerError           the embedded server did not start or went away

A message says what happened and to what; `hint` says what to do about it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class NbkitError(Exception):
    """Something nbkit can explain.

    Attributes:
        hint: What the reader may do about it, or an empty string.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message}\n  → {self.hint}" if self.hint else message

    def _render_traceback_(self) -> list[str]:
        """Tell IPython to show the message alone instead of sixty lines of traceback."""
        return f"{type(self).__name__}: {self}".splitlines()


class InputError(NbkitError):
    """What was asked for cannot be sent.

    Attributes:
        field: The input or option at fault, or an empty string.
    """

    def __init__(self, message: str, *, field: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.field = field


class ConfigError(NbkitError):
    """A setting is wrong or missing."""


class CredentialsError(ConfigError):
    """No key, or one that cannot be used."""


class ConnectionFailed(NbkitError):
    """The service was never reached, so nothing was started and nothing is billed.

    Attributes:
        address: Scheme, host and port that were tried.
    """

    def __init__(self, message: str, *, address: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.address = address


class RequestLost(NbkitError):
    """A request was sent and its answer did not come, so whether it arrived is not known."""


class ServiceError(NbkitError):
    """The service answered and refused.

    Attributes:
        status: HTTP status code.
        error_type: The service's machine-readable word for the error, or an empty string.
        request_id: The service's id of the request, or an empty string.
        body: The answer's body, parsed where it was JSON.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        error_type: str = "",
        request_id: str = "",
        body: Any = None,
        hint: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.error_type = error_type
        self.request_id = request_id
        self.body = body


class ValidationFailed(ServiceError):
    """The service refused single fields of the input.

    Attributes:
        field_errors: Field path (`"prompt"`, `"images.0.url"`) → the service's message.
    """

    def __init__(
        self, message: str, *, field_errors: Mapping[str, str] | None = None, status: int = 422, **facts: Any
    ) -> None:
        super().__init__(message, status=status, **facts)
        self.field_errors = dict(field_errors or {})


class RunError(NbkitError):
    """A run began and ended badly.

    Attributes:
        endpoint: The endpoint that was called.
        request_id: The service's id of the run, or an empty string where none is known.
    """

    def __init__(self, message: str, *, endpoint: str = "", request_id: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.endpoint = endpoint
        self.request_id = request_id


class RunFailed(RunError):
    """The service says that the run failed.

    Attributes:
        status: HTTP status code of the result, 0 where there is none.
        error_type: The service's machine-readable word for the error, or an empty string.
        field_errors: Field path → message, where single fields were refused.
        node: The workflow step that failed, or an empty string.
        body: The answer's body, parsed where it was JSON.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        error_type: str = "",
        field_errors: Mapping[str, str] | None = None,
        node: str = "",
        body: Any = None,
        **facts: Any,
    ) -> None:
        super().__init__(message, **facts)
        self.status = status
        self.error_type = error_type
        self.field_errors = dict(field_errors or {})
        self.node = node
        self.body = body


class RunCancelled(RunError):
    """Somebody stopped the run."""


class RunTimeout(RunError, TimeoutError):
    """The caller's time ran out; the run was cancelled at the service."""


class RunUnknown(RunError):
    """The fate of the run is not known, and sending it again might bill twice."""


class StreamBroken(NbkitError):
    """A stream ended or went silent before its end, so what it gave is not a result."""


class MediaError(NbkitError):
    """A file cannot be read, fetched or stored."""


class EngineError(NbkitError):
    """A local model cannot do what was asked.

    Attributes:
        field: The input at fault, or an empty string.
    """

    def __init__(self, message: str, *, field: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.field = field


class MissingWeights(EngineError):
    """The weights of a local model are not on this machine."""


class MissingPackage(EngineError):
    """A package that a local model runs with is not installed."""


class OutOfMemory(EngineError):
    """This machine, or its GPU, has not enough memory for what a local model was asked."""


class NotInHistory(NbkitError):
    """A replay does not hold this call, and asks nobody else."""


class WebhookError(NbkitError):
    """A webhook is not from the service, too old, changed on its way, or cannot be read."""


class ServerError(NbkitError):
    """The embedded server did not start or went away."""
