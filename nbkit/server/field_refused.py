"""The refusal of one field of an input, with what fal calls the reason."""

from __future__ import annotations

from typing import Any

from nbkit.errors import InputError


class FieldRefused(InputError):
    """One field of an input cannot be used.

    Attributes:
        kind: fal's word for why.
        context: The limit that was passed.
    """

    def __init__(self, message: str, *, field: str, kind: str, context: dict[str, Any] | None = None) -> None:
        super().__init__(message, field=field)
        self.kind = kind
        self.context = context or {}
