"""Uploads: where to ask for a place, what the answers say, and how long files live.

Facts: fal docs, "Storage"; fal's Python client 1.0.3 (lifecycle) and JavaScript client 1.10.1 (places and parts).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit, urlunsplit

from nbkit.errors import InputError, MediaError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbkit.wire.fal.addresses import Hosts

_LIFETIMES: dict[str, int | None] = {
    "never": None,  # the service's own rule, which is to keep files
    "immediate": 60,  # 0 would mean that it never expires
    "1h": 3600,
    "1d": 86_400,
    "7d": 604_800,
    "30d": 2_592_000,
    "1y": 31_536_000,
}
_DECISIONS = ("hide", "forbid", "allow")
_ACL_HINT = 'give "hide", "forbid" or "allow", or {"default": "hide", "rules": [{"user": …, "decision": …}]}'


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """How long an uploaded file lives, and who may read it.

    Attributes:
        seconds: How long; None leaves it to the service.
        acl: Who may read it, as JSON; an empty string leaves it to the service.
    """

    seconds: int | None = None
    acl: str = ""

    @classmethod
    def of(cls, expires_in: str | int | None = None, acl: str | Mapping[str, Any] | None = None) -> Lifecycle:
        """What a caller asks for.

        Args:
            expires_in: `never`, `immediate` (a minute), `1h`, `1d`, `7d`, `30d`, `1y`, or seconds.
            acl: Whether others may read it: `hide`, `forbid`, `allow`; or a mapping of `default` to one of these and
                of `rules` to a list of `{"user": …, "decision": …}`.

        Raises:
            InputError: One of them is something else.
        """
        return cls(_seconds(expires_in), _acl(acl))

    @property
    def headers(self) -> dict[str, str]:
        """Header fields that ask for it. Services read one name or the other, so both are sent."""
        wish: dict[str, Any] = {}
        if self.seconds is not None:
            wish["expiration_duration_seconds"] = self.seconds
        if self.acl:
            wish["initial_acl"] = json.loads(self.acl)
        names = ("x-fal-object-lifecycle", "x-fal-object-lifecycle-preference")
        return dict.fromkeys(names, json.dumps(wish)) if wish else {}


def _seconds(expires_in: str | int | None) -> int | None:
    if expires_in is None:
        return None
    if isinstance(expires_in, str) and expires_in in _LIFETIMES:
        return _LIFETIMES[expires_in]
    if isinstance(expires_in, int) and not isinstance(expires_in, bool) and expires_in > 0:
        return expires_in
    raise InputError(
        f"expires_in is not {expires_in!r:.40}",
        field="expires_in",
        hint=f"give one of {', '.join(_LIFETIMES)}, or seconds as a whole number above 0",
    )


def _acl(acl: str | Mapping[str, Any] | None) -> str:
    if acl is None:
        return ""
    wish = {"default": acl} if isinstance(acl, str) else acl
    try:
        known = dict(wish)
        default, rules = known.pop("default", None), [dict(rule) for rule in known.pop("rules", None) or ()]
        fits = not known and all(rule.keys() == {"user", "decision"} for rule in rules)
        decisions = [rule["decision"] for rule in rules if fits] + ([default] if default is not None else [])
    except (TypeError, ValueError):
        fits, decisions = False, []
    if not fits or not decisions or any(decision not in _DECISIONS for decision in decisions):
        raise InputError(f"acl is not {acl!r:.60}", field="acl", hint=_ACL_HINT)
    if any(not isinstance(rule["user"], str) for rule in rules):
        raise InputError("a user in acl is text", field="acl", hint=_ACL_HINT)
    clean = ({"default": default} if default is not None else {}) | ({"rules": rules} if rules else {})
    return json.dumps(clean, sort_keys=True)


def initiate_url(hosts: Hosts, *, in_parts: bool = False) -> str:
    """Where to ask for a place for a file."""
    way = "initiate-multipart" if in_parts else "initiate"
    return f"{hosts.rest}/storage/upload/{way}?storage_type=fal-cdn-v3"


def part_url(upload_url: str, number: int) -> str:
    """Where to put a part, numbered from 1, of a file that goes up in parts."""
    return _below(upload_url, str(number))


def complete_url(upload_url: str) -> str:
    """Where to say that all parts are there."""
    return _below(upload_url, "complete")


def _below(upload_url: str, name: str) -> str:
    """An address below another one, with the same query, which is its signature."""
    parts = urlsplit(upload_url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{name}", fragment=""))


def read_part(number: int, body: Any, headers: Mapping[str, str]) -> dict[str, Any]:
    """What to list a part as: its number and the tag that the storage gave it, in the body or as a header.

    Raises:
        MediaError: It gave no tag.
    """
    named = body if isinstance(body, dict) else {}
    etag = named.get("etag") or headers.get("etag")
    if not isinstance(etag, str):
        raise MediaError(f"the service took part {number} and gave no tag for it")
    return {"partNumber": number, "etag": etag}


def read_place(body: Any, hosts: Hosts) -> tuple[str, str]:
    """The address to put the file to, and the one it will have.

    Raises:
        MediaError: The answer has neither.
    """
    named = body if isinstance(body, dict) else {}
    upload, file = named.get("upload_url"), named.get("file_url")
    if not isinstance(upload, str) or not isinstance(file, str):
        raise MediaError("the service gave no place to upload to")
    try:
        return urljoin(hosts.rest, upload), urljoin(hosts.rest, file)
    except ValueError as error:
        raise MediaError(f"the service gave an address that is none: {error}") from error
