"""`%%generate` and `%generate`: a cell becomes a request, and its output the card of the run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError  # noqa: TID253 - this file is loaded inside IPython only
from IPython.core.magic import (  # noqa: TID253
    Magics,
    line_cell_magic,
    magics_class,
    no_var_expand,
)

from nbkit.credentials import find_fal_key
from nbkit.display import table
from nbkit.display.output import written
from nbkit.display.slot import Slot
from nbkit.errors import InputError
from nbkit.magics.grammar import parse
from nbkit.magics.help import GENERATE
from nbkit.magics.known import DEFAULT_WITH_KEY, DEFAULT_WITHOUT_KEY
from nbkit.magics.settings import Chosen

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from nbkit.client.run import Run
    from nbkit.magics.grammar import Request
    from nbkit.magics.notebook import Notebook
    from nbkit.magics.settings import Settings
    from nbkit.model.result import Result

_STREAM_ENDING = "/stream"


@magics_class
class GenerateMagics(Magics):
    """The magics that send requests."""

    def __init__(self, shell: InteractiveShell, notebook: Notebook) -> None:
        super().__init__(shell)
        self._notebook = notebook

    @no_var_expand
    @line_cell_magic
    def generate(self, line: str, cell: str | None = None) -> None:  # noqa: D102 - set below
        settings = self._notebook.settings()
        self._notebook.warn(settings.problems)
        try:
            request = parse(line, cell, settings.requests)
            is_default = not request.endpoint
            if is_default:
                request.call(default_endpoint(settings).value, settings.requests)
            endpoint = request.endpoint
            if request.sweep:
                from nbkit.magics.sweeping import part_prompts

                part_prompts(request)
            given = request.filled(self._notebook.variables, settings.input_of(endpoint))
        except InputError as error:
            # The plain class: IPython shows a traceback for its subclasses.
            raise UsageError(one_line(error)) from None
        self._notebook.calls(endpoint, is_default=is_default)
        if request.sweep:
            self._sweep(endpoint, given, request)
            return
        if request.dry_run:
            Slot().end(preview(endpoint, given, request))
            return
        from nbkit.widgets.live import LiveCard, follow

        run = self._begin(endpoint, given, request)
        show = request.show or (settings.values["show"].value if "show" in settings.values else "all")
        if request.background:
            card = LiveCard(run, show=show, background=True, originals=self._notebook.originals)
            card.open()
            self._notebook.began(run, card, request.name)
            made: Run | Result = run
        else:
            made = follow(run, show=show, originals=self._notebook.originals)
        if request.name:
            self._notebook.variables[request.name] = made

    generate.__doc__ = GENERATE

    def _sweep(self, endpoint: str, given: dict[str, Any], request: Request) -> None:
        from nbkit.experiments.sweep import Sweep
        from nbkit.magics.sweeping import parted

        try:
            sweep = Sweep(endpoint, **parted(given), client=self._notebook.client, name=request.name)
        except InputError as error:
            raise UsageError(one_line(error)) from None
        if request.dry_run:
            Slot().end(sweep.dry_run()._repr_mimebundle_())
            return
        if request.name:
            self._notebook.variables[request.name] = sweep
        sweep.run(show=request.show != "none")

    def _begin(self, endpoint: str, given: dict[str, Any], request: Request) -> Run:
        client = self._notebook.client
        reuse: dict[str, Any] = {"reuse": request.reuse} if request.reuse else {}
        if request.stream or endpoint.endswith(_STREAM_ENDING):
            return client.stream(endpoint, given, **reuse)
        return client.submit(endpoint, given, wait=False, **reuse)


def default_endpoint(settings: Settings) -> Chosen:
    """What answers a cell that names no endpoint, and who says so."""
    if chosen := settings.values.get("endpoint"):
        return chosen
    if find_fal_key():
        return Chosen(DEFAULT_WITH_KEY, "there is a key for fal")
    return Chosen(DEFAULT_WITHOUT_KEY, "there is no key for fal")


def one_line(error: InputError) -> str:
    """An error as one line, its advice behind it."""
    return " ".join(str(error).split())


def preview(endpoint: str, given: dict[str, Any], request: Request) -> dict[str, Any]:
    """What a cell would send, as a table."""
    way = "stream" if request.stream or endpoint.endswith(_STREAM_ENDING) else "queue"
    rows = [(key, _shown(value)) for key, value in given.items()]
    return table.bundle(f"{endpoint} would be sent this by {way}; nothing was sent", rows)


def _shown(value: Any) -> str:
    if isinstance(value, (str, int, float, list, dict)) or value is None:
        return written(value)
    return (
        f"{type(value).__name__}: {value}" if isinstance(value, Path) else f"{type(value).__name__}, a file"
    )
