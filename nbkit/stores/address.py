"""Addresses of stores: which are some, and how they may be shown."""

from __future__ import annotations

import re
from urllib.parse import unquote

from nbkit.errors import ConfigError
from nbkit.secrets import scrub

_PROTOCOL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_HOSTED = frozenset({"ftp", "sftp", "ssh", "smb", "webdav", "http", "https", "s3", "s3a", "gs", "gcs"})
_LONGEST = 2000
_LONGEST_REASON = 300
_EXAMPLES = "write it as s3://bucket/folder, sftp://host/folder or file:///mnt/lab/folder"


def is_url(text: str) -> bool:
    """Whether a text is the address of something elsewhere, and not a path."""
    protocol, found, _ = text.partition("://")
    return bool(found) and _PROTOCOL.fullmatch(protocol) is not None


def protocol_of(url: str) -> str:
    """The first part of an address, as `s3`."""
    return url.partition("://")[0].lower()


def check_url(url: object) -> str:
    """An address that may be one of a store.

    Raises:
        ConfigError: It cannot be one; says why.
    """
    if not isinstance(url, str):
        raise ConfigError(f"the address of a store is text, not {url!r:.60}", hint=_EXAMPLES)
    url = url.strip()
    protocol, rest = protocol_of(url), url.partition("://")[2]
    if not is_url(url):
        raise ConfigError(
            f"{shown(url)[:80]!r} has no protocol, so it is no address of a store", hint=_EXAMPLES
        )
    if "::" in url:
        raise ConfigError(f"{shown(url)} is a chain of addresses; a store is one alone", hint=_EXAMPLES)
    if len(url) > _LONGEST or not url.isprintable():
        raise ConfigError(f"{shown(url)[:80]!r} is no address: it is too long, or has what cannot be printed")
    if not rest.strip("/") or (protocol in _HOSTED and not rest.rpartition("@")[2].partition("/")[0]):
        raise ConfigError(f"{shown(url)} names no place", hint=_EXAMPLES)
    if protocol in ("file", "local") and not _file_path(rest).startswith("/"):
        raise ConfigError(
            f"{shown(url)} is not the whole path of a folder", hint="write file:///mnt/lab/folder"
        )
    return url


def folder_of(url: str) -> str:
    """The path of a folder of this machine; an empty string for what is elsewhere."""
    path = _file_path(url.partition("://")[2]) if protocol_of(url) in ("file", "local") else ""
    return path[1:] if re.match(r"/[A-Za-z]:", path) else path


def shown(url: str) -> str:
    """An address for people: without user name, password and query."""
    return re.sub(r"\?.*", "?…", re.sub(r"://.*@", "://…@", url, flags=re.DOTALL), flags=re.DOTALL)


def without_user(url: str) -> str:
    """An address without user name and password, for another machine, whose environment has its own."""
    return re.sub(r"://[^/]*@", "://", url) if is_url(url) else url


def has_password(url: str) -> bool:
    """Whether a password stands in an address."""
    return re.search(r"://[^@]*:.*@", url, re.DOTALL) is not None


def reason(error: BaseException, url: str) -> str:
    """Why something failed, in one line that holds none of the address's secrets, whatever a driver wrote."""
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    text = str(getattr(error, "strerror", None) or error) or type(error).__name__
    for secret in sorted(_secrets(url), key=len, reverse=True):
        text = text.replace(secret, "…")
    text = re.sub(r"://[^/\s]*@", "://…@", scrub(text))
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line[:_LONGEST_REASON]


def _file_path(rest: str) -> str:
    return rest.removeprefix("localhost") if rest.startswith("localhost/") else rest


def _secrets(url: str) -> set[str]:
    """What may be the user and the password of an address: either may hold an `@`, and so may a path."""
    rest = url.partition("://")[2]
    users = [rest[: at.start()] for at in re.finditer("@", rest)]
    return {
        form
        for user in users
        for text in (user, user.partition(":")[2])
        if text
        for form in (text, unquote(text))
    }
