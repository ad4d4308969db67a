"""A worker process: takes requests from its standard input one after the other and computes them.

Started by `nbkit.server.workers` as `python -m nbkit.server.worker DATA_DIR [--public-only]`. It ends when its standard
input does, so it cannot outlive the server, whatever it is busy with. It should lead a group of processes of its own,
which it then ends as a whole.

Messages are JSON objects behind their length (`nbkit.server.frames`). What it reads:

- `{"warm": "package.module:function"}`: calls that function, and answers `{"warm": true}`.
- an order: `endpoint` its id · `model` what computes it, as `Entry.model` says · `input` · `keep` the names of the
  output that the caller sees, empty for all · `previews` whether anybody watches · `file_seconds` how long its files
  are kept · `models_dirs` folders below which the input may name models.
- `{"cancel": true}`: the order at work is not wanted any more.

What it writes to standard output for an order, until the message with `status` ends it:

- `{"log": line, "level": level}`
- `{"progress": fraction, "stage": words, "images": [files]}`
- `{"status": HTTP status, "body": JSON as text}`, with `"spent": true` where this process can compute no more

Everything that is printed, by whatever code, goes to standard error, which whoever started it must read within bounds
(`nbkit.server.printed`). Lines that Python prints come as messages as long as they are few, so that they keep their
order.
"""

from __future__ import annotations

import contextlib
import faulthandler
import io
import json
import os
import queue
import shutil
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbkit.endpoints.invalid_input import InvalidInput
from nbkit.errors import EngineError, InputError, MissingPackage, MissingWeights, NbkitError, OutOfMemory
from nbkit.server import frames
from nbkit.server.code_store import CodeStore
from nbkit.server.field_refused import FieldRefused
from nbkit.server.files import FileStore
from nbkit.server.job import Job, JobCancelled
from nbkit.server.loading import Loader
from nbkit.server.printed import Lines, LogBounds
from nbkit.wire.fal.answers import CANCELLED, field_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbkit.server.frames import Message


PUBLIC_ONLY = "--public-only"
_NO_INPUTS_FAULT = (MissingPackage, MissingWeights, OutOfMemory)
_SPARE_FILES = 64  # that the next request must be able to open
_NO_PIPE = 70  # EX_SOFTWARE: users' code closed what this process speaks through
INPUTS_VARIABLE = "NBKIT_WORKER_INPUTS"
"""Where a worker keeps the files of an input: a folder that is removed by whoever started it, however it ends."""
STORE_VARIABLE = "NBKIT_SERVER_STORE"
"""The address of the server's store: not an argument, which every user of the machine could read."""


def main(data_dir: str, *, public_only: bool = False) -> None:
    """Work until standard input ends.

    Args:
        data_dir: The server's folder.
        public_only: Whether pictures from elsewhere must be on the public internet.
    """
    # Ctrl-C in a terminal reaches every process of the group; the server decides when its workers end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Out of the way of what users' code reads, prints to and closes.
    inbox, outbox, printed = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb"), os.dup(2)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    faulthandler.enable(printed)
    lock, own = threading.Lock(), os.getpid()

    def send(message: Message) -> None:
        if os.getpid() != own:
            return  # a child of users' code has no say in these pipes
        packed = frames.pack(message)
        try:
            with lock:
                outbox.write(packed)
                outbox.flush()
        except (OSError, ValueError):
            os._exit(_NO_PIPE)

    # Users' code has no business with what may open the store; the server has seen to the folder's secret.
    files = FileStore(Path(data_dir), os.environ.pop(STORE_VARIABLE, ""), is_joined=True)
    loader = Loader(CodeStore(Path(data_dir) / "code"))
    folder = os.environ.pop(INPUTS_VARIABLE, "")
    inputs = Path(folder) if folder else None
    worker = Worker(send, files, loader, printed, public_only=public_only, inputs=inputs)
    threading.Thread(target=worker.listen, args=(inbox,), daemon=True).start()
    worker.work()


class Worker:
    """Computes the requests that arrive."""

    def __init__(
        self,
        send: Callable[[Message], None],
        files: FileStore,
        loader: Loader,
        printed: int,
        *,
        public_only: bool = False,
        inputs: Path | None = None,
    ) -> None:
        self._send = send
        self._inputs = inputs
        self._files = files
        self._loader = loader
        self._printed = printed
        self._public_only = public_only
        self._orders: queue.SimpleQueue[tuple[Message, threading.Event]] = queue.SimpleQueue()
        self._cancelled = threading.Event()
        self._job: Job | None = None
        self._process = os.getpid()
        self._folder = Path.cwd()
        os.umask(mask := os.umask(0))
        self._mask = mask

    def listen(self, inbox: Any) -> None:
        """Read what the server says, also while a model computes."""
        with contextlib.suppress(OSError, ValueError):  # users' code may close what is not its own
            while (message := frames.read(inbox)) is not None:
                if "cancel" in message:
                    self._cancelled.set()
                else:
                    self._cancelled = threading.Event()
                    self._orders.put((message, self._cancelled))
        # The server is gone, so nobody waits for what is being computed, here or in a child.
        if self._inputs is not None:
            shutil.rmtree(self._inputs, ignore_errors=True)
        if os.getpgrp() == self._process:
            os.killpg(0, signal.SIGKILL)
        os._exit(0)

    def work(self) -> None:
        """Compute one request after the other, for ever."""
        while True:
            order, cancelled = self._orders.get()
            if "warm" in order:
                with contextlib.suppress(Exception):  # a missing engine is told to those who ask for it
                    self._loader.load(order["warm"])()
                self._send({"warm": True})
            else:
                self._send(self._outcome(order, cancelled))

    def _outcome(self, order: Message, cancelled: threading.Event) -> Message:
        """Compute one request; every way in which it can end becomes a status and a body."""
        facts = {name: order[name] for name in ("endpoint", "previews", "file_seconds", "models_dirs")}
        bounds = LogBounds()

        def say(message: Message) -> None:
            if self._job is not job:
                return  # a thread that was left behind speaks of a request that is over
            is_child = os.getpid() != self._process
            if "log" in message and (is_child or not bounds.takes(message["log"])):
                os.write(self._printed, f"{message['log']}\n".encode("utf-8", "replace"))
            else:
                self._send(message)

        self._job = job = Job(say, self._files, public_only=self._public_only, inputs=self._inputs, **facts)
        job.cancelled = cancelled
        printed = _Printed(job)
        try:
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
                output = self._loader.load(order["model"], order["endpoint"])(order["input"], job)
            keep = order["keep"] or output
            ending = _done(200, {key: output[key] for key in keep if key in output})
        except BaseException as error:  # noqa: BLE001 - whatever a model raises is the request's outcome
            ending = _failure(error, order, job)
        finally:
            if os.getpid() != self._process:
                os._exit(0)  # a child that the function forked and let go on as if it were this process
            with contextlib.suppress(JobCancelled):
                printed.end()
            self._job = None
            job.end()
            self._tidy()
        return {**ending, "spent": True} if self._is_spent() else ending

    def _tidy(self) -> None:
        """Put back what a function may have changed for those after it."""
        os.umask(self._mask)
        with contextlib.suppress(OSError):
            os.chdir(self._folder)
        for standard in (1, 2):
            with contextlib.suppress(OSError):
                os.dup2(self._printed, standard)

    def _is_spent(self) -> bool:
        """Whether too few files can be opened for those after it."""
        with contextlib.ExitStack() as spare:
            try:
                for _ in range(_SPARE_FILES):
                    spare.callback(os.close, os.dup(self._printed))
            except OSError:
                return True
        return False


class _Printed(io.TextIOBase):
    """Turns what a model prints into log lines of its request."""

    encoding = "utf-8"

    def __init__(self, job: Job) -> None:
        self._job = job
        self._lines = Lines()

    @property
    def buffer(self) -> io.FileIO:
        """What takes bytes."""
        return io.FileIO(self.fileno(), "w", closefd=False)

    def fileno(self) -> int:
        return 1

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        for line in self._lines.feed(text):
            self._job.log(line, "STDOUT")
        return len(text)

    def end(self) -> None:
        """Give the last line too, where it was begun."""
        for line in self._lines.rest():
            self._job.log(line, "STDOUT")


def _failure(error: BaseException, order: Message, job: Job) -> Message:
    """How a request ends whose computing raised something."""
    if isinstance(error, JobCancelled):
        return _done(499, CANCELLED)
    if isinstance(error, InvalidInput):
        entries = [
            field_error(one.message, one.kind, *one.place, context=one.context, value=one.value)
            for one in error.problems
        ]
        return _done(422, {"detail": entries})
    if isinstance(error, InputError) or (
        isinstance(error, EngineError) and not isinstance(error, _NO_INPUTS_FAULT)
    ):
        return _refused(error, order)
    if isinstance(error, NbkitError):
        return _failed(_plain(str(error)))
    with contextlib.suppress(JobCancelled):
        told = _plain("".join(traceback.format_exception(error)))
        job.log(json.dumps({"traceback": told}), "ERROR")
    return _failed(_said(error))


def _said(error: BaseException) -> str:
    """What an exception of a model says for itself."""
    if isinstance(error, SystemExit):
        return f"The function called sys.exit({error.code!r:.80}); return a value, or raise an exception"
    try:
        words = str(error)
    except Exception:  # noqa: BLE001 - an exception of users' code need not be able to speak
        words = "(its text cannot be had)"
    return f"{type(error).__name__}: {_plain(words[:1000])}"


def _plain(text: str) -> str:
    """Text without halves of characters, which would be valid JSON and no valid text."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _failed(message: str) -> Message:
    return _done(500, {"detail": message, "error_type": "runner_server_error"})


def _done(status: int, body: Any) -> Message:
    # The body is written here, so that the server only passes it on.
    return {"status": status, "body": json.dumps(body, separators=(",", ":"), allow_nan=False)}


def _refused(error: InputError | EngineError, order: Message) -> Message:
    field = error.field if isinstance(error, InputError) else _named_field(error.field, order["input"])
    kind, context = (error.kind, error.context) if isinstance(error, FieldRefused) else ("value_error", {})
    place = field.split(".") if field else []
    value = order["input"].get(field)
    return _done(422, {"detail": [field_error(str(error), kind, *place, context=context, value=value)]})


def _named_field(field: str, given: dict[str, Any]) -> str:
    """The input's own name for what an engine calls `image`."""
    return f"{field}_url" if f"{field}_url" in given else field


if __name__ == "__main__":
    main(sys.argv[1], public_only=PUBLIC_ONLY in sys.argv[2:])
