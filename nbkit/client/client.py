"""The client for synchronous code: notebooks and scripts."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Self

from nbkit.client.calls import Calls
from nbkit.client.dify_app import DifyApp
from nbkit.client.realtime import Realtime
from nbkit.client.session import Session
from nbkit.transport.loop import wait
from nbkit.transport.nested import run_on_callers_loop
from nbkit.wire.fal.storage import Lifecycle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbkit.client.run import Run, Stream
    from nbkit.credentials import Key
    from nbkit.model.event import Event
    from nbkit.model.price import Price
    from nbkit.model.result import Result
    from nbkit.model.schema import Schema
    from nbkit.model.status import Status


class Client:
    """Calls generative-media endpoints: by queue, directly, or as streams.

    An input is a dict. Any value in it may be a file (a `pathlib.Path`, bytes, an open file, a PIL image, media of
    an earlier result): it is uploaded, and its address is sent.

    Args:
        provider: `fal`, `local` (the embedded server), or `auto`: fal where there is a key for it, else local.
        key: The key; without it fal's is looked for in the environment, in `.env` files, in Colab and in the keyring.
        base_url: The origin of an nbkit server to speak with instead; only a key given here goes there.
        user: Who asks, for services that want to know.
        validate: Whether to check inputs before they are sent, where the schema of their endpoint is at hand.
    """

    def __init__(
        self,
        provider: str = "auto",
        *,
        key: str | Key | None = None,
        base_url: str | None = None,
        user: str | None = None,
        validate: bool = True,
    ) -> None:
        self._calls = Calls(Session(provider, key, base_url, user=user, validate=validate))
        self.user = user

    def submit(
        self,
        endpoint: str,
        input: Mapping[str, Any],  # noqa: A002 - the field's word
        *,
        webhook_url: str | None = None,
        priority: str | None = None,
        hint: str | None = None,
        start_timeout: float | None = None,
        max_queue_length: int | None = None,
        headers: Mapping[str, str] | None = None,
        response_mode: str | None = None,
        workflow_id: str | None = None,
        reuse: str | None = None,
        wait: bool = True,
    ) -> Run:
        """Put a request into the queue and return its run.

        Args:
            endpoint: What to call.
            input: Its input.
            webhook_url: Where the service posts the result.
            priority: `normal` or `low`.
            hint: Requests with the same hint go to the same runner where possible.
            start_timeout: Seconds within which the service must start it.
            max_queue_length: Refuse it where more requests than this are ahead.
            headers: More header fields for the service.
            response_mode: For Dify's workflows, `streaming` unless it is `blocking`: with a server, or a proxy before
                it, that cannot stream.
            workflow_id: For Dify's workflows, which published version to run; its current one without it.
            reuse: Whether a success of the same request is taken from history, and nothing sent: `never`, `ask` or
                `always`. Without it the settings say, else never.
            wait: Whether to return only when the service has given it an id; else the run is on its way.

        Raises:
            InputError: The endpoint, an option or the input is not one that can be sent.
            ServiceError: The service refused it.
            ConnectionFailed: The service was never reached.
            RunUnknown: It was sent, and whether it runs is not known.
            CredentialsError: There is neither a key nor an embedded server.
        """
        options = {
            "webhook_url": webhook_url,
            "priority": priority,
            "hint": hint,
            "start_timeout": start_timeout,
            "max_queue_length": max_queue_length,
            "headers": headers,
            "response_mode": response_mode,
            "workflow_id": workflow_id,
        }
        run = self._calls.submit(endpoint, input, options, reuse=reuse)
        return run._wait_accepted() if wait else run  # noqa: SLF001

    def subscribe(
        self,
        endpoint: str,
        input: Mapping[str, Any],  # noqa: A002
        *,
        logs: bool = True,
        on_event: Callable[[Event], Any] | None = None,
        timeout: float | None = None,
        reuse: str | None = None,
        **submit_options: Any,
    ) -> Result:
        """Put a request into the queue, wait for it, and return its result.

        Args:
            endpoint: What to call.
            input: Its input.
            logs: Whether `on_event` is told log lines.
            on_event: Called in this thread with each event; may be asynchronous.
            timeout: Seconds after which it is cancelled at the service.
            reuse: As for `submit`.
            **submit_options: As for `submit`.

        Raises:
            RunFailed: It failed.
            RunTimeout: Its time ran out and it was cancelled.
            NbkitError: As for `submit`.
        """
        run = self._calls.submit(endpoint, input, submit_options, timeout, reuse)
        if on_event is not None:
            _tell(run, on_event, logs=logs)
        return run.result()

    def run(
        self,
        endpoint: str,
        input: Mapping[str, Any],  # noqa: A002
        *,
        timeout: float | None = None,
        hint: str | None = None,
        start_timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        reuse: str | None = None,
    ) -> Result:
        """Call an endpoint directly, without the queue, and return its result.

        Args:
            endpoint: What to call.
            input: Its input.
            timeout: Seconds after which the connection is closed, which cancels it.
            hint: Calls with the same hint go to the same runner where possible.
            start_timeout: Seconds within which the service must start it.
            headers: More header fields for the service.
            reuse: As for `submit`.

        Raises:
            ServiceError: The service or the model refused it.
            RunTimeout: Its time ran out.
            NbkitError: As for `submit`.
        """
        options = {"hint": hint, "start_timeout": start_timeout, "headers": headers}
        return self._calls.direct(endpoint, input, timeout, options, reuse).result()

    def stream(
        self,
        endpoint: str,
        input: Mapping[str, Any],  # noqa: A002
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        reuse: str | None = None,
    ) -> Stream:
        """Call an endpoint as a stream and return at once; go through its events, or wait with `.done()`.

        Args:
            endpoint: What to call.
            input: Its input.
            timeout: Seconds after which the connection is closed, which cancels it.
            headers: More header fields for the service.
            reuse: As for `submit`.

        Raises:
            InputError: The endpoint or a header is not one.
        """
        return self._calls.stream(endpoint, input, headers, timeout, reuse)

    def status(self, endpoint: str, request_id: str, logs: bool = False) -> Status:  # noqa: FBT001, FBT002
        """Ask for the state of a request.

        Raises:
            ServiceError: The service does not know it.
        """
        return wait(self._calls.status(endpoint, request_id, logs=logs))

    def result(self, endpoint: str, request_id: str) -> Result:
        """Wait for a request that was submitted before, and return its result.

        Raises:
            RunFailed: It failed.
            ServiceError: The service does not know it.
        """
        return self.attach(endpoint, request_id).result()

    def cancel(self, endpoint: str, request_id: str) -> str:
        """Ask the service to cancel a request, and return its word for what it did.

        Raises:
            ServiceError: The service does not know it.
        """
        return wait(self._calls.cancel(endpoint, request_id))

    def attach(self, endpoint: str, request_id: str) -> Run:
        """Follow a request that was submitted before, maybe by another process."""
        return self._calls.attach(endpoint, request_id)

    def upload(
        self,
        data: Any,
        *,
        endpoint: str | None = None,
        content_type: str | None = None,
        file_name: str | None = None,
        expires_in: str | int | None = None,
        acl: str | Mapping[str, Any] | None = None,
        on_progress: Callable[[int, int], Any] | None = None,
    ) -> Any:
        """Upload a file and return what stands for it in an input.

        That is its address (a str), or for Dify, which has no addresses for uploads, the dict that names it:
        `{"type": "image", "transfer_method": "local_file", "upload_file_id": …}`. The same file is sent once: in half
        of its lifetime, and to an app of Dify as long as the client lives.

        Args:
            data: A `pathlib.Path`, bytes, an open file, a PIL image or a NumPy array (uint8, or floats from 0 to 1).
            endpoint: Whose input it is for: `dify/<connection>`, say. Without it, for fal's or the local server's.
            content_type: MIME type; guessed where it is not given.
            file_name: Name for people.
            expires_in: How long it lives: `never`, `immediate` (a minute), `1h`, `1d`, `7d`, `30d`, `1y`, or seconds.
                The service decides where it is not given, and keeps files where it is `never`.
            acl: Who may read it: `hide`, `forbid` or `allow` for everybody; or a mapping of `default` to one of these
                and of `rules` to a list of `{"user": …, "decision": …}`.
            on_progress: Called with the bytes that are sent and those of the whole file, on nbkit's own thread.

        Raises:
            MediaError: It cannot be read, is empty, or changed meanwhile.
            InputError: It is not a file, or an option is not one.
            ServiceError: The service does not take it.
            ConnectionFailed: The service was never reached.
            RequestLost: The connection broke, again and again.
        """
        lifecycle = Lifecycle.of(expires_in, acl)
        return wait(
            self._calls.upload(
                data, content_type, file_name, lifecycle, endpoint=endpoint, on_progress=on_progress
            )
        )

    def schema(self, endpoint: str) -> Schema:
        """Ask what an endpoint takes and gives. The answer is kept for a day, and for when the service is away.

        From then on inputs for the endpoint are checked before they are sent.

        Raises:
            ServiceError: The service does not know the endpoint.
            ConnectionFailed: The service was never reached, and it was not asked before.
        """
        return wait(self._calls.schema(endpoint))

    def price(self, endpoint: str) -> Price | None:
        """Ask what a unit of an endpoint's work costs; None where the service has no price for it.

        From then on `result.cost` is known for the endpoint, where the service says how many units it bills.

        Raises:
            ServiceError: The service refused to tell; it needs a key.
            ConnectionFailed: The service was never reached.
        """
        return wait(self._calls.price(endpoint))

    def dify(self, name: str = "default") -> DifyApp:
        """The app of Dify that a connection leads to: what it tells of itself and of its runs.

        Raises:
            InputError: It is not the name of a connection.
        """
        return DifyApp(self._calls.dify(name))

    def realtime(
        self,
        endpoint: str,
        *,
        use_token: bool = True,
        token_expiration: int = 120,
        max_buffering: int | None = None,
    ) -> Realtime:
        """A realtime session: `with client.realtime(endpoint) as session`. Needs the extra `realtime`.

        Args:
            endpoint: What to call.
            use_token: Whether to open it with a short-lived token, so that the key itself stays out of the session.
            token_expiration: Seconds for which the token lets a session be opened.
            max_buffering: How many inputs may wait at the service, from 1 to 60; older ones are dropped then.

        Raises:
            InputError: The endpoint is not one.
        """
        return Realtime(self._calls.realtime(endpoint, use_token, token_expiration, max_buffering))

    def close(self) -> None:
        """Cancel what is under way and close all connections."""
        wait(self._calls.session.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def _tell(run: Run, on_event: Callable[[Event], Any], *, logs: bool) -> None:
    """Call back with each event, in the caller's thread, where its output belongs."""
    from nbkit.model.event import Log

    try:
        for event in run._each():  # noqa: SLF001 - without raising: `result` does
            if logs or not isinstance(event, Log):
                answer = on_event(event)
                if inspect.iscoroutine(answer):
                    run_on_callers_loop(answer)
    except BaseException:  # also an interrupt: the caller loses the run, so nobody else could stop it
        run.cancel()
        raise
