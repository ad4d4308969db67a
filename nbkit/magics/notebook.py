"""What the magics of one shell share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from IPython.core.interactiveshell import InteractiveShell

    from nbkit.client.client import Client


class Notebook:
    """One shell with its variables, and the client that its cells use.

    Args:
        shell: The shell.

    Attributes:
        shell: The shell.
        variables: What its cells have named.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self.variables: MutableMapping[str, Any] = shell.user_ns
        self._client: Client | None = None

    @property
    def client(self) -> Client:
        """The client of all cells, made when the first one needs it."""
        if self._client is None:
            from nbkit.client.client import Client

            self._client = Client()
        return self._client
