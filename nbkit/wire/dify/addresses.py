"""Where a Dify server is, and the addresses on it (Dify docs: "Workflow App API")."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from nbkit.errors import ConfigError
from nbkit.model.address import origin

if TYPE_CHECKING:
    from collections.abc import Mapping

CLOUD = "https://api.dify.ai/v1"
SERVED = ("/v1/", "/files/")
"""Where a server has the API and its files."""
_FILES = SERVED[1]


@dataclass(frozen=True, slots=True)
class Place:
    """The addresses of one server's service API.

    Attributes:
        base: The API's own address, `https://api.dify.ai/v1` say, without a slash at its end.
    """

    base: str

    @classmethod
    def of(cls, base_url: str) -> Place:
        """Read an address as people write it; `/v1` is added where it has no path.

        Raises:
            ConfigError: It is not an address of http.
        """
        clean = base_url.strip().rstrip("/")
        parts = urlsplit(clean) if origin(clean) else None
        if parts is None or parts.scheme not in ("http", "https"):
            raise ConfigError("the base URL of a Dify server is not an address", hint=f"as {CLOUD}")
        return cls(f"{origin(clean)}{parts.path or '/v1'}")

    @property
    def origin(self) -> str:
        """Scheme, host and port: what relative file addresses start from."""
        return origin(self.base)

    @property
    def run(self) -> str:
        """Where runs of the app's current version are started."""
        return f"{self.base}/workflows/run"

    def run_version(self, workflow_id: str) -> str:
        """Where runs of one published version are started; of the current one without an id."""
        return f"{self.base}/workflows/{quote(workflow_id, safe='')}/run" if workflow_id else self.run

    def about(self, what: str) -> str:
        """What the app says of itself: its `info`, `parameters`, `site` or `meta`."""
        return f"{self.base}/{what}"

    def logs(self, query: Mapping[str, Any]) -> str:
        """The app's runs."""
        return f"{self.base}/workflows/logs?{urlencode(query)}"

    @property
    def upload(self) -> str:
        """Where input files go."""
        return f"{self.base}/files/upload"

    def detail(self, run_id: str) -> str:
        """What became of a run."""
        return f"{self.base}/workflows/run/{quote(run_id, safe='')}"

    def stop(self, task_id: str) -> str:
        """Where a task is stopped."""
        return f"{self.base}/workflows/tasks/{quote(task_id, safe='')}/stop"

    def events(self, run_id: str, user: str) -> str:
        """The events of a run, first those that were; servers up to 1.13.2 have no such address."""
        wishes = {"include_state_snapshot": "true", "continue_on_pause": "true"}
        query = urlencode({"user": user, **wishes})
        return f"{self.base}/workflow/{quote(run_id, safe='')}/events?{query}"

    def form(self, token: str) -> str:
        """What a person is asked, and where it is answered; servers up to 1.13.2 have no such address."""
        return f"{self.base}/form/human_input/{quote(token, safe='')}"

    def may_have_key(self, url: str) -> bool:
        """Whether an address belongs to the API, so that the key may go there."""
        return origin(url) == self.origin and url.startswith(f"{self.base}/")

    def absolute(self, url: str) -> str:
        """The address of a file. Relative ones start from the server's origin, not from its `/v1`."""
        return self.origin + url if url.startswith("/") and not url.startswith("//") else url

    def file_addresses(self, url: str) -> tuple[str, ...]:
        """The addresses to try for a file, the best first.

        Some versions sign files with the address that the server has for itself inside its own network
        (`http://api:5001`). A signature does not cover the host, so the API's origin answers as well.
        """
        given = self.absolute(url)
        parts = urlsplit(given) if origin(given) else None
        if parts is None or not parts.path.startswith(_FILES) or origin(given) == self.origin:
            return (given,)
        here = urlsplit(self.origin)
        other = urlunsplit(parts._replace(scheme=here.scheme, netloc=here.netloc))
        return (other, given) if _is_internal(parts.hostname or "") else (given, other)


def file_identity(url: str) -> str:
    """What stays the same when a file's address is signed again; an empty string for foreign addresses."""
    path = urlsplit(url).path if origin(url) else ""
    return path if path.startswith(_FILES) else ""


def _is_internal(host: str) -> bool:
    """Whether a host's name says nothing outside its own network: a container's name, say."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return "." not in host
