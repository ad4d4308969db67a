"""A form for an endpoint: its inputs as controls, and the live card of what it was asked below."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import traitlets

from nbkit.config import data_dir
from nbkit.display import table
from nbkit.display.escape import Markup, clean
from nbkit.display.markup import element, faint, folded, join, preformatted
from nbkit.display.output import written
from nbkit.display.slot import Shown, Slot, in_notebook
from nbkit.errors import InputError, MediaError, NbkitError
from nbkit.history.files import FileStore, Incoming
from nbkit.model.checking import check
from nbkit.widgets.answers import entered, gathered
from nbkit.widgets.attached import Attached, script
from nbkit.widgets.controls import REST, controls_of, each
from nbkit.widgets.live import LiveCard

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from nbkit.client.client import Client
    from nbkit.client.run import Run
    from nbkit.model.result import Result
    from nbkit.model.schema import Schema

_MOST_BYTES = 500_000_000
_MOST_STILL = 40
_SUFFIX_LENGTH = 8
_STATES = ("running", "succeeded", "failed", "cancelled", "unknown")


class Form(Attached):
    """A form for one endpoint.

    Args:
        schema: What the endpoint takes.
        client: Who calls it.
        write_cell: Writes the cell that sends an input to an endpoint.

    Attributes:
        schema: What the endpoint takes.
        run: The newest run that was begun here, None before the first.
    """

    _esm = script("attach.js", "form_files.js", "form_controls.js", "form.js")
    endpoint = traitlets.Unicode().tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)
    note = traitlets.Unicode().tag(sync=True)
    price = traitlets.Unicode().tag(sync=True)
    controls: Any = traitlets.List().tag(sync=True)
    answers_given = traitlets.Dict().tag(sync=True)
    files = traitlets.Dict().tag(sync=True)
    problems = traitlets.Dict().tag(sync=True)
    cell = traitlets.Unicode().tag(sync=True)
    status = traitlets.Unicode().tag(sync=True)

    def __init__(
        self, schema: Schema, client: Client, write_cell: Callable[[str, Mapping[str, Any]], str]
    ) -> None:
        self.schema = schema
        self.run: Run | None = None
        self._client = client
        self._write_cell = write_cell
        self._controls = controls_of(schema)
        self._by_id = {control.id: control for control in each(self._controls)}
        self._files: dict[str, list[Path]] = {}
        self._incoming: dict[str, Incoming] = {}
        self._starting = threading.Lock()
        self._page, self._below = Slot(), Slot()
        super().__init__(
            endpoint=clean(schema.endpoint),
            title=clean(schema.title),
            note=clean(schema.problem),
            controls=[control.described() for control in self._controls],
        )
        self._review()

    @property
    def input(self) -> dict[str, Any]:
        """What would be sent: what was entered, and what is required and has a default. Files are paths."""
        return gathered(self._controls, self.answers_given, self._files, {})

    @property
    def result(self) -> Result:
        """What the newest run gave; waits for it.

        Raises:
            InputError: Nothing was run yet.
            NbkitError: The run ended badly.
        """
        if self.run is None:
            raise InputError(
                "nothing was run with this form yet", hint="press its button, or call form.submit()"
            )
        return self.run.result()

    def fill(self, **values: Any) -> None:
        """Enter values, as if a person had done it; `form.fill(**result.input)` takes those of an earlier result.

        Raises:
            InputError: The endpoint has no such input.
        """
        unknown = values.keys() - {control.field.name for control in self._controls}
        if unknown:
            raise InputError(
                f"{self.schema.endpoint} has no input {', '.join(sorted(unknown))}", field=min(unknown)
            )
        answers, files = entered(self._controls, values)
        self._files |= files
        self.answers_given = {**self.answers_given, **answers}
        self._tell_files()

    def submit(self) -> Run:
        """Send what was entered, and show the card of the run below the form.

        Raises:
            InputError: Something that was entered cannot be sent, or the last run is not over.
        """
        with self._starting:
            if self.run and not self.run.is_done:
                raise InputError(
                    "the last run of this form is not over", hint="wait for form.result, or form.run.cancel()"
                )
            problems = self._review()
            if problems:
                raise InputError("\n  ".join(problems.values()))
            self.run = self._client.submit(self.schema.endpoint, self.input, wait=False)
        self.status = "running"
        self._page.fill(Shown(self.bundle()))
        LiveCard(self.run, background=True, slot=self._below).open()
        self.run.listen(self._follow)
        return self.run

    def still(self) -> tuple[str, Markup]:
        """What the endpoint takes, what was entered, and the cell that sends it."""
        given = self.input
        rows: list[tuple[str, ...]] = []
        for control in self._controls[:_MOST_STILL]:
            name, about = control.field.name, control.described()
            default = "" if about["default"] is None else f"default {written(control.field.default)}"
            entered = (
                written(given[name]) if name in given else "required" if control.field.required else default
            )
            rows.append((about["label"], entered, about["type"]))
        title = " · ".join(filter(None, (f"form of {self.schema.endpoint}", self.schema.title, self.price)))
        page = join(
            element("div", faint(title)),
            table.html(rows, ("input", "value", "type")),
            folded("as a cell", preformatted(self.cell)),
        )
        text = "\n".join((clean(title), table.text(rows, ("input", "value", "type"))))
        return text, element("div", page, style="font-size:13px")

    def answers(self) -> dict[str, Callable[[dict[str, Any], Sequence[Any]], None]]:
        """It runs, and takes files piece by piece."""
        return {
            "run": self._run,
            "cancel": self._cancel,
            "file": self._take_file,
            "forget": self._forget_files,
        }

    def _ipython_display_(self) -> None:
        shown, _ = self._repr_mimebundle_()
        self._page, self._below = Slot(), Slot()
        if not in_notebook():
            self._page.end(shown)
            return
        self._page.fill(Shown(shown))
        self._below.fill(Shown(table.bundle("The card of a run appears here.", ())))

    def ask_price(self) -> None:
        """Ask the service what a unit costs, without waiting for the answer."""

        def ask() -> None:
            with suppress(NbkitError, LookupError):
                price = self._client.price(self.schema.endpoint)
                self.price = clean(price) if price else ""

        threading.Thread(target=ask, name="nbkit-price", daemon=True).start()

    @traitlets.observe("answers_given")
    def _reconsider(self, _change: Any) -> None:
        if self.status not in _STATES:  # what was wrong with earlier answers
            self.status = ""
        self._review()

    def _review(self) -> dict[str, str]:
        """Check what was entered, tell the browser, and return what certainly cannot be sent."""
        told: dict[str, str] = {}
        given = gathered(self._controls, self.answers_given, self._files, told)
        doubts: dict[str, str] = {}
        for problem in check(given, self.schema.input, self.schema.endpoint):
            found = told if problem.is_certain else doubts
            found.setdefault(self._control_at(problem.field), problem.message)
        self.problems = {
            "certain": {name: clean(message) for name, message in told.items()},
            "doubtful": {name: clean(message) for name, message in doubts.items()},
        }
        self.cell = self._write_cell(self.schema.endpoint, given)
        return told

    def _control_at(self, place: str) -> str:
        """The id of the control for a place of the input; that of what is around it where it has none."""
        found = [it for it in self._by_id.values() if place == it.place or place.startswith(f"{it.place}.")]
        return max(found, key=lambda it: len(it.place)).id if found else REST

    def _run(self, _message: Mapping[str, Any], _buffers: Sequence[Any]) -> None:
        try:
            self.submit()
        except NbkitError as error:
            self.status = clean(error)
        self.send({"kind": "asked"})

    def _cancel(self, _message: Mapping[str, Any], _buffers: Sequence[Any]) -> None:
        if self.run:
            self.run.cancel()

    def _follow(self, event: object) -> None:
        if event is None and self.run:
            self.status = self.run.status

    def _take_file(self, message: Mapping[str, Any], buffers: Sequence[Any]) -> None:
        """One piece of a file; the last one makes it an input."""
        name, token = message.get("id"), message.get("token")
        control = self._by_id.get(name) if isinstance(name, str) else None
        if control is None or control.kind != "file" or not isinstance(token, str):
            return
        try:
            incoming = self._incoming.get(token) or FileStore(data_dir() / "files").incoming()
            self._incoming[token] = incoming
            for piece in buffers:
                _write(incoming, bytes(piece))
            if message.get("last"):
                file_name = str(message.get("name", ""))
                del self._incoming[token]
                path = incoming.keep(_suffix(file_name)).path
                self._files[control.id] = [
                    *(self._files.get(control.id, ()) if control.is_list else ()),
                    path,
                ]
                self._tell_files()
        except MediaError as error:
            if unfinished := self._incoming.pop(token, None):
                unfinished.drop()
            self.status = clean(error)

    def _forget_files(self, message: Mapping[str, Any], _buffers: Sequence[Any]) -> None:
        self._files.pop(str(message.get("id")), None)
        self._tell_files()

    def _tell_files(self) -> None:
        self.files = {name: len(paths) for name, paths in self._files.items()}
        self._review()


def _write(incoming: Incoming, piece: bytes) -> None:
    incoming.write(piece)
    if incoming.size > _MOST_BYTES:
        raise MediaError(f"a form takes files up to {_MOST_BYTES // 1_000_000} MB")


def _suffix(file_name: str) -> str:
    dot, _, suffix = file_name.rpartition(".")
    return f".{suffix}" if dot and len(suffix) <= _SUFFIX_LENGTH else ""
