"""A request that is refused, in Dify's words."""

from __future__ import annotations

from typing import Any

from nbkit.errors import ServerError
from nbkit.wire.dify.answers import refusal
from nbkit.wire.dify.field_errors import INVALID


class Refused(ServerError):
    """A request that is not done.

    Attributes:
        status: HTTP status code of the answer.
        body: Its JSON.
    """

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(str(body.get("message", "")))
        self.status = status
        self.body = body

    @classmethod
    def of(cls, status: int, code: str, message: str) -> Refused:
        """One that is told by status, code and message."""
        return cls(status, refusal(status, code, message))

    @classmethod
    def invalid(cls, message: str) -> Refused:
        """A wrong value (400)."""
        return cls.of(400, INVALID, message)
