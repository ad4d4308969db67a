"""Where fal's four hosts are, and the addresses on them.

fal splits its service over `queue.fal.run`, `fal.run`, `rest.fal.ai` and `v3.fal.media`. An nbkit server
offers the same four as the prefixes `/queue`, `/run`, `/rest` and `/cdn` of one origin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from nbkit.errors import ConfigError
from nbkit.model.address import is_loopback, origin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbkit.model.endpoint import Endpoint

_FAL_DOMAINS = (".fal.ai", ".fal.run", ".falrun.com")
# fal docs, "Inference API": the second of each pair answers as the first does.
_FAL_BACKUPS = (
    ("https://fal.run", "https://falrun.com"),
    ("https://queue.fal.run", "https://queue.falrun.com"),
)


@dataclass(frozen=True, slots=True)
class Hosts:
    """The four addresses of one service, none with a slash at its end.

    Attributes:
        run: Direct calls and streams.
        queue: The queue.
        rest: Storage and tokens.
        cdn: Files.
        backups: Pairs of an origin and the one to try where it cannot be reached.
    """

    run: str
    queue: str
    rest: str
    cdn: str
    backups: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of_fal(cls, environ: Mapping[str, str]) -> Hosts:
        """The hosts of fal; `FAL_RUN_HOST` and `FAL_QUEUE_RUN_HOST` replace two, as in fal's own client."""
        run = environ.get("FAL_RUN_HOST") or "fal.run"
        queue = environ.get("FAL_QUEUE_RUN_HOST") or f"queue.{run}"
        return cls(
            f"https://{run}", f"https://{queue}", "https://rest.fal.ai", "https://v3.fal.media", _FAL_BACKUPS
        )

    @classmethod
    def of_origin(cls, base_url: str) -> Hosts:
        """The four prefixes of one origin, as an nbkit server offers them.

        Raises:
            ConfigError: The address is not one of HTTP.
        """
        if not origin(base_url).startswith(("http://", "https://")):
            raise ConfigError(
                f"base_url {base_url[:100]!r} is not an address", hint="write http://127.0.0.1:8188"
            )
        parts = urlsplit(base_url)
        if parts.username or parts.password:
            raise ConfigError("base_url holds a user name or password", hint="pass the key as key=…")
        if parts.query or parts.fragment:
            raise ConfigError("base_url has a ? or # in it", hint="write http://127.0.0.1:8188")
        home = base_url.rstrip("/")
        return cls(f"{home}/run", f"{home}/queue", f"{home}/rest", f"{home}/cdn")

    @property
    def origins(self) -> frozenset[str]:
        """Scheme, host and port of each, and of those that stand in for them."""
        own = frozenset(origin(url) for url in (self.run, self.queue, self.rest, self.cdn))
        return own | {backup for home, backup in self.backups if home in own}

    def may_have_key(self, url: str) -> bool:
        """Whether the key may travel to an address: to these hosts; from fal's also to fal's others."""
        place = origin(url)
        if not place or place in self.origins:
            return bool(place)
        parts = urlsplit(url)
        theirs = f".{parts.hostname or ''}".endswith(_FAL_DOMAINS)
        ours = f".{urlsplit(self.queue).hostname or ''}".endswith(_FAL_DOMAINS)
        return parts.scheme == "https" and theirs and ours

    def serves(self, url: str) -> bool:
        """Whether the service reads files at an address: its own, and those of the public web."""
        if origin(url) in self.origins:
            return True
        return url.startswith("https://") and not is_loopback(url)

    def submit(
        self, endpoint: Endpoint, *, webhook_url: str = "", max_queue_length: int | None = None
    ) -> str:
        """The address to submit to."""
        query = {"fal_webhook": webhook_url} if webhook_url else {}
        if max_queue_length is not None:
            query["fal_max_queue_length"] = str(max_queue_length)
        return f"{self.queue}/{endpoint}" + (f"?{urlencode(query)}" if query else "")

    def request(self, endpoint: Endpoint, request_id: str) -> str:
        """The address of a request's result. It has no sub-path, unlike the address to submit to."""
        return f"{self.queue}/{endpoint.app}/requests/{request_id}"

    def direct(self, endpoint: Endpoint) -> str:
        """The address of a call that does not queue."""
        return f"{self.run}/{endpoint}"

    def stream(self, endpoint: Endpoint) -> str:
        """The address of a stream."""
        direct = self.direct(endpoint)
        return direct if direct.endswith("/stream") else f"{direct}/stream"
