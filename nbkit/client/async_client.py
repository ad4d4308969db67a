"""The client for asynchronous code: the same methods, awaited."""

from __future__ import annotations

import contextlib
import inspect
from typing import TYPE_CHECKING, Any, Self

from nbkit.client.calls import Calls
from nbkit.client.dify_app import AsyncDifyApp
from nbkit.client.realtime import AsyncRealtime
from nbkit.client.session import Session
from nbkit.model.event import Log
from nbkit.transport.loop import awaiting
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


class AsyncClient:
    """`nbkit.Client` for asynchronous code. It may be used from any event loop, and from several.

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

    async def submit(
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
        """As `Client.submit`."""
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
        return await run._accepted() if wait else run  # noqa: SLF001

    async def subscribe(
        self,
        endpoint: str,
        input: Mapping[str, Any],  # noqa: A002
        *,
        logs: bool = True,
        on_event: Callable[[Event], Any] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - it also cancels at the service
        reuse: str | None = None,
        **submit_options: Any,
    ) -> Result:
        """As `Client.subscribe`; an asynchronous `on_event` is awaited on the caller's loop."""
        run = self._calls.submit(endpoint, input, submit_options, timeout, reuse)
        if on_event is not None:
            await _tell(run, on_event, logs=logs)
        return await run

    async def run(
        self,
        endpoint: str,
        input: Mapping[str, Any],  # noqa: A002
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - it also cancels at the service
        hint: str | None = None,
        start_timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        reuse: str | None = None,
    ) -> Result:
        """As `Client.run`."""
        options = {"hint": hint, "start_timeout": start_timeout, "headers": headers}
        return await self._calls.direct(endpoint, input, timeout, options, reuse)

    def stream(
        self,
        endpoint: str,
        input: Mapping[str, Any],  # noqa: A002
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        reuse: str | None = None,
    ) -> Stream:
        """As `Client.stream`: returns at once; `async for` gives its events, `await` its result."""
        return self._calls.stream(endpoint, input, headers, timeout, reuse)

    async def status(self, endpoint: str, request_id: str, logs: bool = False) -> Status:  # noqa: FBT001, FBT002
        """As `Client.status`."""
        return await awaiting(self._calls.status(endpoint, request_id, logs=logs))

    async def result(self, endpoint: str, request_id: str) -> Result:
        """As `Client.result`."""
        return await self.attach(endpoint, request_id)

    async def cancel(self, endpoint: str, request_id: str) -> str:
        """As `Client.cancel`."""
        return await awaiting(self._calls.cancel(endpoint, request_id))

    def attach(self, endpoint: str, request_id: str) -> Run:
        """As `Client.attach`."""
        return self._calls.attach(endpoint, request_id)

    async def upload(
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
        """As `Client.upload`."""
        lifecycle = Lifecycle.of(expires_in, acl)
        return await awaiting(
            self._calls.upload(
                data, content_type, file_name, lifecycle, endpoint=endpoint, on_progress=on_progress
            )
        )

    async def schema(self, endpoint: str) -> Schema:
        """As `Client.schema`."""
        return await awaiting(self._calls.schema(endpoint))

    async def price(self, endpoint: str) -> Price | None:
        """As `Client.price`."""
        return await awaiting(self._calls.price(endpoint))

    def dify(self, name: str = "default") -> AsyncDifyApp:
        """As `Client.dify`, with methods that are awaited."""
        return AsyncDifyApp(self._calls.dify(name))

    def realtime(
        self,
        endpoint: str,
        *,
        use_token: bool = True,
        token_expiration: int = 120,
        max_buffering: int | None = None,
    ) -> AsyncRealtime:
        """As `Client.realtime`: `async with client.realtime(endpoint) as session`."""
        return AsyncRealtime(self._calls.realtime(endpoint, use_token, token_expiration, max_buffering))

    async def close(self) -> None:
        """As `Client.close`."""
        await awaiting(self._calls.session.close())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()


async def _tell(run: Run, on_event: Callable[[Event], Any], *, logs: bool) -> None:
    try:
        async with contextlib.aclosing(run._each_async()) as events:  # noqa: SLF001 - without raising: awaiting does
            async for event in events:
                if logs or not isinstance(event, Log):
                    answer = on_event(event)
                    if inspect.isawaitable(answer):
                        await answer
    except BaseException:  # the caller loses the run, so nobody else could stop it
        run.cancel()
        raise
