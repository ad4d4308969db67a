"""A worker process: takes requests from its standard input one after the other and computes them.

Started by `nbkit.server.workers` as `python -m nbkit.server.worker DATA_DIR [--public-only]`. It ends when its standard
input does, so it cannot outlive the server, whatever it is busy with.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import queue
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbkit.errors import EngineError, MissingWeights
from nbkit.server import frames
from nbkit.server.field_refused import FieldRefused
from nbkit.server.files import FileStore
from nbkit.server.job import Job, JobCancelled
from nbkit.wire.fal.answers import CANCELLED, field_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbkit.server.frames import Message


PUBLIC_ONLY = "--public-only"


def main(data_dir: str, *, public_only: bool = False) -> None:
    """Work until standard input ends.

    Args:
        data_dir: The server's folder.
        public_only: Whether pictures from elsewhere must be on the public internet.
    """
    # Ctrl-C in a terminal reaches every process of the group; the server decides when its workers end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    inbox, outbox = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # What libraries print by themselves must not fall among the messages.
    os.dup2(2, 1)
    lock = threading.Lock()

    def send(message: Message) -> None:
        packed = frames.pack(message)
        with lock:
            outbox.write(packed)
            outbox.flush()

    worker = Worker(send, FileStore(Path(data_dir)), public_only=public_only)
    threading.Thread(target=worker.listen, args=(inbox,), daemon=True).start()
    worker.work()


class Worker:
    """Computes the requests that arrive."""

    def __init__(
        self, send: Callable[[Message], None], files: FileStore, *, public_only: bool = False
    ) -> None:
        self._send = send
        self._files = files
        self._public_only = public_only
        self._orders: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._job: Job | None = None

    def listen(self, inbox: Any) -> None:
        """Read what the server says, also while a model computes."""
        while (message := frames.read(inbox)) is not None:
            if "cancel" in message:
                if self._job is not None:
                    self._job.cancelled.set()
            else:
                self._orders.put(message)
        os._exit(0)  # the server is gone, so nobody waits for what is being computed

    def work(self) -> None:
        """Compute one request after the other, for ever."""
        while True:
            order = self._orders.get()
            if "warm" in order:
                with contextlib.suppress(Exception):  # a missing engine is told to those who ask for it
                    _function(order["warm"])()
                self._send({"warm": True})
            else:
                self._send(self._outcome(order))

    def _outcome(self, order: Message) -> Message:
        """Compute one request; every way in which it can end becomes a status and a body."""
        facts = {name: order[name] for name in ("endpoint", "previews", "file_seconds")}
        job = Job(self._send, self._files, public_only=self._public_only, **facts)
        self._job = job
        printed = _Printed(job)
        try:
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
                output = _function(order["model"])(order["input"], job)
                keep = order["keep"] or output
                return _done(200, {key: output[key] for key in keep if key in output})
        except JobCancelled:
            return _done(499, CANCELLED)
        except MissingWeights as error:
            return _done(500, {"detail": str(error), "error_type": "runner_server_error"})
        except FieldRefused as error:
            return _refused(error.field, error.kind, str(error), error.context, order)
        except EngineError as error:
            field = _named_field(error.field, order["input"])
            return _refused(field, "value_error", str(error), {}, order)
        except Exception as error:  # noqa: BLE001 - whatever a model raises is the request's outcome
            self._send({"log": json.dumps({"traceback": traceback.format_exc()}), "level": "ERROR"})
            message = f"{type(error).__name__}: {str(error)[:1000]}"
            return _done(500, {"detail": message, "error_type": "runner_server_error"})
        finally:
            self._job = None


class _Printed(io.TextIOBase):
    """Turns what a model prints into log lines of its request."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._line = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            if line.strip():
                self._job.log(line[:10_000], "STDOUT")
        return len(text)


def _done(status: int, body: Any) -> Message:
    # The body is written here, so that the server only passes it on.
    return {"status": status, "body": json.dumps(body, separators=(",", ":"), allow_nan=False)}


def _refused(field: str, kind: str, message: str, context: dict[str, Any], order: Message) -> Message:
    value = order["input"].get(field)
    return _done(
        422,
        {"detail": [field_error(message, kind, *([field] if field else []), context=context, value=value)]},
    )


def _named_field(field: str, given: dict[str, Any]) -> str:
    """The input's own name for what an engine calls `image`."""
    return f"{field}_url" if f"{field}_url" in given else field


def _function(path: str) -> Any:
    """The function of a dotted path (`package.module:function`)."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


if __name__ == "__main__":
    main(sys.argv[1], public_only=PUBLIC_ONLY in sys.argv[2:])
