"""A Dify server to test with: nbkit's own, on a port of its own, with what can go wrong."""

from __future__ import annotations

import contextlib
import logging
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from nbkit.errors import ServerError
from nbkit.testing.layers import starts_run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

    from nbkit.testing.faults import Fault
    from nbkit.testing.layers import App, Receive, Scope, Send

_STARTS_WITHIN = 30.0
_UNENDED = "ASGI callable returned without completing response."


@dataclass(frozen=True)
class Call:
    """One request that came.

    Attributes:
        method: `GET`, `POST` …
        path: Its address on the server.
        starts_run: Whether it was to start a run, which a service would bill.
    """

    method: str
    path: str
    starts_run: bool


class DifyServer:
    """A Dify server on this machine, for as long as a `with` block lasts.

    Its workflows are computed by nbkit's local models, so `nbkit-media[local]` must be installed.

        with DifyServer(faults=[StreamCut(seconds=1)]) as server:
            os.environ["DIFY_BASE_URL"] = server.base_url
            os.environ["DIFY_API_KEY"] = server.key

    Args:
        faults: What goes wrong.
        app: Which workflow answers: `text-to-image` or `sticker`.
        version: Which Dify it is like: `0.6` or `1.13`.

    Attributes:
        base_url: Its address, as `DIFY_BASE_URL` wants it.
        key: The app's key, as `DIFY_API_KEY` wants it.
        faults: What goes wrong, from `nbkit.testing.faults`; the first is the innermost. May be changed at any time,
            for the requests that come from then on.
        calls: Every request that came, in order.
    """

    def __init__(
        self, *, faults: Iterable[Fault] = (), app: str = "text-to-image", version: str = "1.13"
    ) -> None:
        self.faults = list(faults)
        self._version = version
        self._open = contextlib.ExitStack()
        self.key = f"app-local-{app}"
        self.base_url = ""
        self.calls: list[Call] = []

    @property
    def run_posts(self) -> int:
        """How many requests were to start a run."""
        return sum(call.starts_run for call in self.calls)

    def __enter__(self) -> Self:
        """Start it.

        Raises:
            ServerError: It did not start: what it needs is not installed, say.
        """
        try:
            from nbkit.server.app import create_app
            from nbkit.server.host import AppServer, address_of, bind
            from nbkit.server.settings import Settings
        except ModuleNotFoundError as error:
            raise ServerError(
                f"a server needs {error.name}", hint="pip install 'nbkit-media[local]'"
            ) from error

        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nbkit-")))
            app = create_app(Settings(data_dir=folder, dify_version=self._version))
            listener = stack.enter_context(bind("127.0.0.1", 0))
            server = AppServer(self._faulty(app), app.state.service.close)
            answers = threading.Event()
            thread = threading.Thread(
                target=server.run_on, args=(listener, answers.set), name="nbkit-dify-server", daemon=True
            )
            stack.enter_context(_without_word_of_cuts())
            thread.start()

            def stop() -> None:
                server.should_exit = True
                thread.join()

            stack.callback(stop)
            if not answers.wait(_STARTS_WITHIN):
                raise ServerError(f"the server did not answer within {_STARTS_WITHIN:g} s")
            self.base_url = f"{address_of(listener)}/v1"
            self._open = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self._open.close()

    def _faulty(self, app: App) -> App:
        async def layer(scope: Scope, receive: Receive, send: Send) -> None:
            asked = app
            if scope["type"] == "http":
                self.calls.append(Call(scope["method"], scope["path"], starts_run(scope)))
                for fault in self.faults:
                    asked = fault.around(asked)
            await asked(scope, receive, send)

        return layer


@contextlib.contextmanager
def _without_word_of_cuts() -> Iterator[None]:
    """Let the server not call it an error that an answer was cut on purpose."""
    logger = logging.getLogger("uvicorn.error")

    def is_worth_telling(record: logging.LogRecord) -> bool:
        return record.getMessage() != _UNENDED

    logger.addFilter(is_worth_telling)
    try:
        yield
    finally:
        logger.removeFilter(is_worth_telling)
