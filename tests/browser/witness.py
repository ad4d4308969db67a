"""What happened in a page that nobody asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, Dialog, Page, Request, WebSocket

_LOCAL = ("127.0.0.1", "")
_OWN = ("http", "https", "ws", "wss", "ftp")


class Witness:
    """Watches a page from its first request on.

    Attributes:
        page: The page.
        console: What was written to the console, as `kind: text`.
        errors: Errors among it, and those that nothing caught.
        foreign: Addresses on other hosts that the page asked for.
        dialogs: What dialogs said that came unexpected.
        answer: What to enter into the next dialog, which is expected then.
    """

    def __init__(self, page: Page) -> None:
        self.console: list[str] = []
        self.errors: list[str] = []
        self.foreign: list[str] = []
        self.dialogs: list[str] = []
        self.answer: str | None = None
        self.page = page
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.errors.append(f"uncaught: {error}"))
        page.on("request", self._follow)
        page.on("websocket", self._follow)
        page.on("dialog", self._reply)

    def _hear(self, message: ConsoleMessage) -> None:
        where = message.location.get("url", "")
        line = f"{message.type}: {message.text} ({where})"
        self.console.append(line)
        if message.type == "error":
            self.errors.append(line)

    def _follow(self, request: Request | WebSocket) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in _OWN and parts.hostname not in _LOCAL:
            self.foreign.append(request.url)

    def _reply(self, dialog: Dialog) -> None:
        if dialog.type == "beforeunload":  # JupyterLab's, where a card moves on after it was saved
            dialog.accept()
            return
        if self.answer is not None:
            dialog.accept(self.answer)
            self.answer = None
            return
        self.dialogs.append(f"{dialog.type}: {dialog.message}")
        dialog.dismiss()
