"""Tells other programs when a request is over: signed posts, sent again until they are taken.

Facts: fal docs, "Webhooks". A status of 2xx takes a webhook, and redirects are not followed. The first attempt has 15
seconds and later ones 120; there are up to 31, with growing pauses, until the result itself is forgotten.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from nbkit.errors import NbkitError, ServerError
from nbkit.model.address import origin, shown
from nbkit.server.public_address import NotPublic, public_place
from nbkit.server.replies import BadRequest
from nbkit.server.secret import kept_secret
from nbkit.wire.fal.webhooks import Signature, jwks, signed_message, webhook_body

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from nbkit.server.files import FileStore
    from nbkit.server.runs import Run
    from nbkit.server.settings import Settings
    from nbkit.server.telemetry import Telemetry
    from nbkit.transport.http import Transport

ATTEMPTS = 31
FIRST_SECONDS, LATER_SECONDS = 15.0, 120.0
LONGEST_PAUSE = 600.0
_AT_ONCE = 32
_LONGEST_URL = 2048
_LOOK_AGAIN = 0.1


class WrongReceiver(ServerError):
    """An address that is not posted to, now and for ever."""


class Webhooks:
    """Follows runs to their end and tells it.

    Args:
        settings: How the server runs.
        files: Its files, whose addresses stand in outputs.
        telemetry: Is told what happens.
    """

    def __init__(self, settings: Settings, files: FileStore, telemetry: Telemetry) -> None:
        self._settings = settings
        self._telemetry = telemetry
        self._mark = files.mark.encode("ascii")
        self._key: Ed25519PrivateKey | None = None
        self._transport: Transport | None = None
        self._tasks: dict[asyncio.Task[None], Run] = {}
        self._pausing: set[asyncio.Task[None] | None] = set()
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def key_set(self) -> dict[str, Any]:
        """The public key that webhooks are signed with, as a JSON Web Key Set.

        Raises:
            BadRequest: 501, where the package `cryptography` is missing.
        """
        key = await self._signing_key()
        return jwks(key.public_key().public_bytes_raw())

    async def prepare(self, url: str) -> None:
        """Make sure that a webhook can be sent, before its request is taken in.

        Raises:
            BadRequest: The address is none, too many webhooks wait already, or the package `cryptography` is missing.
        """
        if len(url) > _LONGEST_URL or not origin(url).startswith(("http://", "https://")):
            raise BadRequest(422, f"fal_webhook is not an address of http or https: {url[:100]!r}")
        if urlsplit(url).username is not None:
            raise BadRequest(422, "fal_webhook holds a user name or password; put a secret into its query.")
        if len(self._tasks) >= self._settings.max_queued:
            raise BadRequest(429, f"{self._settings.max_queued} webhooks wait already.")
        await self._signing_key()

    def follow(self, run: Run, url: str, home: str) -> asyncio.Task[None]:
        """Tell the end of a run, once it is there.

        Args:
            run: The run.
            url: Whom to tell; `prepare` has seen it.
            home: The server's address, as the caller knows it.

        Returns:
            Done once it was taken, or will not be sent again; cancelled when the server ends before.
        """
        task = asyncio.get_running_loop().create_task(self._see_through(run, url, home))
        self._tasks[task] = run
        task.add_done_callback(self._tasks.pop)
        return task

    async def settle(self) -> None:
        """Wait until each that can be sent was sent once; what is to be sent again later is not waited for."""
        while busy := [task for task, run in self._tasks.items() if run.over and task not in self._pausing]:
            await asyncio.wait(busy, timeout=_LOOK_AGAIN)

    async def close(self) -> None:
        """Give up what has not been taken yet."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._transport is not None:
            await self._transport.close()

    async def _signing_key(self) -> Ed25519PrivateKey:
        if self._key is None:
            self._key = await asyncio.to_thread(_load_key, self._settings)
        return self._key

    async def _see_through(self, run: Run, url: str, home: str) -> None:
        """Send until it is taken, for as long as the result can be asked for."""
        outcome = await run.end()
        content = outcome.body.replace(self._mark, f"{home}/cdn/files/".encode("ascii"))
        body = await asyncio.to_thread(_body, run.id, outcome.status, content, self._settings.max_json_bytes)
        last = time.monotonic() + self._settings.kept_seconds
        for attempt in range(ATTEMPTS):
            try:
                async with self._turns:
                    problem = await self._attempt(
                        run.id, url, body, LATER_SECONDS if attempt else FIRST_SECONDS
                    )
            except WrongReceiver as error:
                run.log(f"webhook to {shown(url)}: {error}; it is not sent again", "ERROR")
                self._telemetry.webhook(run, "given_up", attempt + 1)
                return
            self._telemetry.webhook(run, "failed" if problem else "taken", attempt + 1)
            if not problem:
                return
            pause = min(self._settings.webhook_delay * 2**attempt, LONGEST_PAUSE)
            if time.monotonic() + pause > last:
                break
            run.log(f"webhook to {shown(url)}: {problem}; again in {pause:g} s", "WARN")
            await self._pause(pause)
        run.log(f"webhook to {shown(url)}: given up", "ERROR")
        self._telemetry.webhook(run, "given_up", attempt + 1)

    async def _pause(self, seconds: float) -> None:
        task = asyncio.current_task()
        self._pausing.add(task)
        try:
            await asyncio.sleep(seconds)
        finally:
            self._pausing.discard(task)

    async def _attempt(self, request_id: str, url: str, body: bytes, seconds: float) -> str:
        """Send once; gives what went wrong, an empty string where it was taken.

        Raises:
            WrongReceiver: It is not to be sent again.
        """
        try:
            async with asyncio.timeout(seconds):
                place, headers = await self._place(url)
                headers |= await asyncio.to_thread(self._signed, request_id, body)
                transport = await self._connections()
                async with transport.open(
                    "POST", place, content=body, headers=headers, read_timeout=seconds
                ) as answer:
                    status = answer.status  # nothing in the body matters, so it is not read
        except TimeoutError:
            return f"no answer within {seconds:g} s"
        except WrongReceiver:
            raise
        except (NbkitError, OSError, ValueError) as error:
            return str(error)[:200]
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            raise WrongReceiver(f"it answered with a redirect (HTTP {status})")
        return "" if status < HTTPStatus.MULTIPLE_CHOICES else f"HTTP {status}"

    def _signed(self, request_id: str, body: bytes) -> dict[str, str]:
        """The header of one attempt; each has its own time."""
        now, user = int(time.time()), self._settings.nickname
        if self._key is None:
            raise ServerError("webhooks have no key")
        signature = self._key.sign(signed_message(request_id, user, now, body))
        named = Signature(request_id, user, now, signature).headers()
        return {"content-type": "application/json", **named}

    async def _connections(self) -> Transport:
        if self._transport is None:
            # Off the loop, since loading an HTTP client takes a fifth of a second.
            await asyncio.to_thread(importlib.import_module, "nbkit.transport.bridge")
            from nbkit.transport.http import Transport

            self._transport = Transport()
        return self._transport

    async def _place(self, url: str) -> tuple[str, dict[str, str]]:
        """Where to post, and the header that belongs to it.

        A server on loopback serves the programs of this machine and posts wherever they say. One that others can reach
        posts to the public internet only, so that nobody can make it knock at doors inside.

        Raises:
            WrongReceiver: The address is not public.
        """
        if self._settings.on_loopback:
            return url, {}
        try:
            return await public_place(url)
        except NotPublic as error:
            raise WrongReceiver(*error.args) from error


def _body(request_id: str, status: int, content: bytes, most: int) -> bytes:
    """What is posted about a run with a certain result."""
    if len(content) > most:
        reason = f"The output is larger than {most // 2**20} MiB; ask for the result."
        return webhook_body(request_id, None, payload_error=reason)
    failed = status >= HTTPStatus.BAD_REQUEST
    error = f"Invalid status code: {status}" if failed else ""
    return webhook_body(request_id, json.loads(content), error=error)


def _load_key(settings: Settings) -> Ed25519PrivateKey:
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ImportError as error:
        raise BadRequest(
            501, "Signing webhooks needs the package cryptography: pip install 'nbkit-media[webhooks]'"
        ) from error
    return Ed25519PrivateKey.from_private_bytes(kept_secret(settings.data_dir / "webhook-key"))
