"""What a webhook says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Webhook:
    """The end of a request, as the service posts it to the address given as `webhook_url`.

    Attributes:
        request_id: The service's id of the request.
        status: `OK`, or `ERROR`.
        payload: The output JSON; of a failed request its error body.
        error: Why it failed, or why its output is missing, in the service's words; an empty string where all is well.
        gateway_request_id: The id of the last attempt, where the service tried more than once.
        raw: The whole body, parsed.
    """

    request_id: str
    status: str
    payload: Any = None
    error: str = ""
    gateway_request_id: str = ""
    raw: Any = field(default=None, repr=False, compare=False)

    @property
    def ok(self) -> bool:
        """Whether the request ended well and its output is here."""
        return self.status == "OK" and not self.error
