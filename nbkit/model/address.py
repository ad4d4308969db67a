"""Addresses: which service they belong to, and how they may be shown."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def origin(url: str) -> str:
    """Scheme, host and port of an address; an empty string for what is no address."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    host = parts.hostname
    if not parts.scheme or not host:
        return ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}"


def shown(url: str) -> str:
    """An address for people: without user name and query, which may hold a key or a signature."""
    if url.startswith("data:"):
        return url[:40]
    place = origin(url)
    return place + urlsplit(url).path[:120] if place else url[:80]


def is_loopback(url: str) -> bool:
    """Whether an address is on this machine."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def is_private(url: str) -> bool:
    """Whether an address is on this machine or in its own network, as far as it tells: names are not looked up."""
    if is_loopback(url):
        return True
    host = _literal(url)
    return host is not None and not is_public(host)


def is_link_local(url: str) -> bool:
    """Whether an address is of the kind by which machines are told secrets of their own, such as a cloud's metadata."""
    host = _literal(url)
    return host is not None and host.is_link_local


def _literal(url: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        host = ipaddress.ip_address((urlsplit(url).hostname or "").partition("%")[0])
    except ValueError:
        return None
    return getattr(host, "ipv4_mapped", None) or host


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether a machine of the public internet has an address; one of many machines is none."""
    mapped = getattr(address, "ipv4_mapped", None) or address
    return bool(mapped.is_global) and not mapped.is_multicast
