"""Answering what a paused run asks a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbkit.errors import InputError
from nbkit.transport.loop import awaiting, wait

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    Answer = Callable[[str, Mapping[str, Any]], Coroutine[Any, Any, None]]


class Answering:
    """What may be paused until a person answers."""

    _answerer: Answer | None = None

    def answer(self, action: str, /, **inputs: Any) -> None:
        """Answer what a paused run asks a person; it goes on then.

        What is asked stands in the `form` of its `Paused` event. An input that is not given keeps its default. Where
        more than one form waits, the oldest is answered.

        Args:
            action: One of the form's actions, by its id.
            **inputs: Values of the form's inputs.

        Raises:
            InputError: Nothing is asked, or the form has no such action or input, or one that has to be given is not.
            ServiceError: It was answered already, its time is over, or the server takes no answers from programs.
            ConnectionFailed: The server was never reached.
            RequestLost: It was sent and no answer came: it may have been taken. It is not sent again.
        """
        wait(self._answered(action, inputs))

    async def answer_async(self, action: str, /, **inputs: Any) -> None:
        """As `answer`, for asynchronous code."""
        await awaiting(self._answered(action, inputs))

    async def _answered(self, action: str, inputs: Mapping[str, Any]) -> None:
        if self._answerer is None:
            raise InputError("this run asks nobody anything")
        await self._answerer(action, inputs)
