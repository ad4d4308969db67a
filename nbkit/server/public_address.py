"""The public internet as a server sees it that others can reach: it knocks at no doors inside for anybody."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from urllib.parse import urlsplit

from nbkit.errors import ServerError
from nbkit.model.address import is_public


class NotPublic(ServerError):
    """An address on this machine or inside its network, or a name that leads to one."""


async def public_place(url: str) -> tuple[str, dict[str, str]]:
    """Where to send what is meant for an address, and the header that belongs to it.

    Raises:
        NotPublic: The address is not public.
        OSError: Its name is not known.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    found = await asyncio.get_running_loop().getaddrinfo(host, port or parts.scheme, type=socket.SOCK_STREAM)
    addresses = [ipaddress.ip_address(entry[4][0]) for entry in found]
    if not addresses or not all(map(is_public, addresses)):
        raise NotPublic("its address is not on the public internet")
    if parts.scheme == "https":
        return url, {}  # the certificate proves who answers
    # The address that was judged is the one that is asked: a name may lead elsewhere the next moment.
    literal = f"[{addresses[0]}]" if addresses[0].version == 6 else str(addresses[0])  # noqa: PLR2004
    place = parts._replace(netloc=f"{literal}:{port}" if port else literal).geturl()
    return place, {"host": parts.netloc}
