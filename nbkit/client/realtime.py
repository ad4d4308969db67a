"""Realtime sessions, as their callers hold them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

from nbkit.errors import StreamBroken
from nbkit.model.endpoint import Endpoint
from nbkit.providers.realtime import Conversation, converse
from nbkit.transport.loop import awaiting, wait

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from nbkit.client.session import Session


class Opening:
    """A session that is to be opened, and later closed, on the network thread.

    One task there holds it from its beginning to its end, because a connection has to be closed where it was opened.
    """

    def __init__(
        self,
        session: Session,
        endpoint: str,
        *,
        use_token: bool,
        token_expiration: int,
        max_buffering: int | None,
    ) -> None:
        self.endpoint = Endpoint.parse(endpoint)
        self._session = session
        self._options: dict[str, Any] = {
            "use_token": use_token,
            "token_seconds": token_expiration,
            "max_buffering": max_buffering,
        }
        self._task: asyncio.Task[None] | None = None
        self._leaving: asyncio.Event | None = None
        self._open: Conversation | None = None

    @property
    def conversation(self) -> Conversation:
        """What goes to and fro.

        Raises:
            StreamBroken: The session is not open.
        """
        if self._open is None:
            raise StreamBroken(
                f"the realtime session of {self.endpoint} is not open",
                hint="use it inside of `with client.realtime(…) as session:`",
            )
        return self._open

    async def open(self) -> None:
        """Open it, and raise what hinders."""
        if self._task is not None:
            raise StreamBroken(f"the realtime session of {self.endpoint} was opened before")
        opened: asyncio.Future[Conversation] = asyncio.get_running_loop().create_future()
        self._leaving = asyncio.Event()
        self._task = asyncio.create_task(self._hold(opened, self._leaving))
        self._session.held.add(self._task)
        self._task.add_done_callback(self._session.held.discard)
        try:
            self._open = await opened
        except BaseException:
            self._task.cancel()
            raise

    async def close(self) -> None:
        """Close it; safe to call twice."""
        self._open = None
        if self._leaving is not None and self._task is not None:
            self._leaving.set()
            await asyncio.wait({self._task})

    async def _hold(self, opened: asyncio.Future[Conversation], leaving: asyncio.Event) -> None:
        try:
            line = await self._session.line(self.endpoint)
            async with converse(line.service, self.endpoint, **self._options) as conversation:
                if not opened.done():
                    opened.set_result(conversation)
                    await leaving.wait()
        except Exception as error:  # noqa: BLE001 - whatever hinders, whoever opens it must hear of it
            if not opened.done():
                opened.set_exception(error)
        finally:
            self._open = None


class Realtime:
    """A realtime session: `with client.realtime(endpoint) as session`.

    Send inputs, and receive answers in the order in which they come. Iterating over it gives each answer until the
    service ends the session.
    """

    def __init__(self, opening: Opening) -> None:
        self._opening = opening

    def send(self, input: Mapping[str, Any]) -> None:  # noqa: A002 - the field's word
        """Send one input. Files in it are sent along; bytes at its top go as bytes.

        Raises:
            InputError: It cannot be sent.
            StreamBroken: The session is over.
        """
        wait(self._opening.conversation.send(input))

    def receive(self, timeout: float | None = None) -> Any:
        """Wait for the next answer, and return it; None once the service has ended the session.

        Args:
            timeout: Seconds to wait at the most.

        Raises:
            RunTimeout: None came in time; the session goes on.
            ServiceError: The service says that something is wrong with an input or the session.
            StreamBroken: The connection broke.
        """
        return wait(self._opening.conversation.receive(timeout))

    def close(self) -> None:
        """End the session."""
        wait(self._opening.close())

    def __iter__(self) -> Iterator[Any]:
        while (answer := self.receive()) is not None:
            yield answer

    def __enter__(self) -> Self:
        wait(self._opening.open())
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


class AsyncRealtime:
    """`Realtime` for asynchronous code: `async with client.realtime(endpoint) as session`."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening

    async def send(self, input: Mapping[str, Any]) -> None:  # noqa: A002
        """As `Realtime.send`."""
        await awaiting(self._opening.conversation.send(input))

    async def receive(self, timeout: float | None = None) -> Any:  # noqa: ASYNC109 - as `Realtime.receive` has it
        """As `Realtime.receive`."""
        return await awaiting(self._opening.conversation.receive(timeout))

    async def close(self) -> None:
        """As `Realtime.close`."""
        await awaiting(self._opening.close())

    async def __aiter__(self) -> AsyncIterator[Any]:
        while (answer := await self.receive()) is not None:
            yield answer

    async def __aenter__(self) -> Self:
        await awaiting(self._opening.open())
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()
