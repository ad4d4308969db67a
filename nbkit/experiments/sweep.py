"""One experiment: an input, some axes, seeds; as runs that are made once, kept, seen and counted."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from nbkit.client.client import Client
from nbkit.display.slot import cell_count
from nbkit.errors import InputError
from nbkit.experiments import counting, mosaic
from nbkit.experiments.board import Board, summary
from nbkit.experiments.budget import Budget, cost_of
from nbkit.experiments.explorer import write_explorer
from nbkit.experiments.gate import Gate
from nbkit.experiments.grid import Grid, Scale, Tile
from nbkit.experiments.measuring import Measurements
from nbkit.experiments.order import coarse_to_fine
from nbkit.experiments.outcome import Outcome, facts
from nbkit.experiments.pair import Pair
from nbkit.experiments.past import Past, follow, look_back
from nbkit.experiments.plan import MOST_CELLS, Cell, Mode, Plan, Where, identity
from nbkit.experiments.plotting import Plot, plot
from nbkit.experiments.rehearsal import Rehearsal, rehearse
from nbkit.experiments.running import Running
from nbkit.experiments.selection import Selected, find_cell
from nbkit.experiments.sheet import write_sheet
from nbkit.history.recorder import current_sweep
from nbkit.model.records import data_frame
from nbkit.widgets.originals import Originals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from nbkit.client.run import Run
    from nbkit.experiments.numbers import Numbers
    from nbkit.experiments.past import Position


_UNFINISHED = frozenset({"cancelled", "unknown"})


class Sweep:
    """An experiment: every combination of some values, each run once.

    Everything is checked before the first request. A combination whose request was made before, in any notebook of this
    machine, is taken from the history and not billed again, so a sweep that was interrupted, or grew by a value, runs
    only what is missing.

    Args:
        endpoint: What is called; may be left out where an axis `endpoint` says.
        input: What every request has.
        axes: Name → values: a list, a text such as `1-10 (+2)`, a mapping of labels to values, `Replace`, `Permute`
            or `Presets`. The name is an input's, `image_size.width` for one inside of another, or `endpoint`.
        seeds: Seeds that every combination is run with, or how many (1, 2, …).
        mode: `grid` for every combination, `zip` for first with first, second with second.
        where: Which combinations are wanted: a function of a mapping of axis names to values.
        sample: How many combinations, drawn at random.
        sample_seed: Of the draw.
        client: Who sends the requests.
        executor: What computes them, in place of a client, by a server of this process; see `nbkit.serve`.
        name: What the sweep is called in figures and in the history.
        reuse: Whether what the history has is taken from there, and what is still under way is followed; else every
            combination is sent.
        concurrency: How many requests at once; learnt from the service where it is not given.
        max_usd: No request is begun that might bring the cost above this.
        max_runs: How many requests it may be; more than 10,000 are never made without it.

    Attributes:
        id: What its runs are marked with in the history.
        plan: What varies.
        cells: The requests, in the order of their axes.
        outcomes: What came of each cell, by its position.
        measurements: What was measured of its pictures.

    Raises:
        InputError: An axis, or a choice, is not one; or it would be more requests than `max_runs`.
    """

    def __init__(
        self,
        endpoint: str = "",
        input: Mapping[str, Any] | None = None,  # noqa: A002 - the field's word
        axes: Mapping[str, Any] | None = None,
        *,
        seeds: int | Sequence[int] | None = None,
        mode: Mode = "grid",
        where: Where | None = None,
        sample: int | None = None,
        sample_seed: int = 0,
        client: Client | None = None,
        executor: Any = None,
        name: str = "",
        reuse: bool = True,
        concurrency: int | None = None,
        max_usd: float | None = None,
        max_runs: int = MOST_CELLS,
    ) -> None:
        _at_least(concurrency, 1, "concurrency")
        _at_least(max_usd, 0, "max_usd")
        _at_least(max_runs, 1, "max_runs")
        if client and executor is not None:
            raise InputError("requests are sent by a client or computed by an executor, not both")
        self.plan = Plan.of(
            endpoint,
            input or {},
            axes or {},
            seeds=seeds,
            mode=mode,
            where=where,
            sample=sample,
            sample_seed=sample_seed,
        )
        self.cells = self.plan.cells(max_runs)
        self.outcomes: dict[Position, Outcome] = {}
        self.measurements = Measurements()
        self.name = name
        self._client = client or _client_on(executor)
        self._reuse = reuse
        self._gate = Gate(concurrency)
        self._max_usd = max_usd
        self.id = identity(name, self.plan)
        self._running: Running | None = None
        self._budget: Budget | None = None
        self._seconds = 0.0
        self._began: float | None = None
        self._shown_in = 0

    def dry_run(self) -> Rehearsal:
        """Check every request against the schema of its endpoint, and tell what running them would take.

        Raises:
            InputError: A request would be refused, or an axis varies an input that its endpoint does not have.
            ConfigError: The history cannot be read.
        """
        return self._rehearsed(self._left(_UNFINISHED))[1]

    def run(self, *, show: bool = True) -> Self:
        """Run what has not been run, and show the cells as they come.

        An interrupt cancels what is under way and keeps what came; `run` again goes on. Cells that failed are left as
        they are: `retry` is for those.

        Args:
            show: Whether to show the grid in the output of the cell that runs now.

        Raises:
            InputError: A request would be refused; nothing was sent then.
            ConfigError: The history cannot be read; nothing was sent then.
            KeyboardInterrupt: Somebody interrupted it.
        """
        return self._go(self._left(_UNFINISHED), show=show)

    def retry(self, *, unknown: bool = False, show: bool = True) -> Self:
        """Run again what failed or was cancelled, and fetch again the files that are not on this machine.

        Args:
            unknown: Whether requests are sent again, too, of which nobody knows whether they ran: they may be
                billed twice.
            show: As for `run`.

        Raises:
            NbkitError: As for `run`.
            KeyboardInterrupt: Somebody interrupted it.
        """
        left = self._left(_UNFINISHED | {"failed"})
        left += [
            cell for cell, outcome in self if outcome and outcome.state == "succeeded" and outcome.problem
        ]
        return self._go(left, show=show, fetch_again=True, resend_unknown=unknown)

    @property
    def counts(self) -> Counter[str]:
        """How many cells are in which state: `waiting`, `running`, `succeeded`, `failed`, `cancelled`, `unknown`."""
        return Counter(tile.state for tile in self._tiles().values())

    @property
    def cost(self) -> float | None:
        """What its requests cost, in dollars; None where that is not known. What came from history cost nothing."""
        paid = [cost_of(cell, outcome) for cell, outcome in self if outcome]
        return None if None in paid else sum(filter(None, paid))

    def __len__(self) -> int:
        return len(self.cells)

    def __iter__(self) -> Iterator[tuple[Cell, Outcome | None]]:
        """Each cell with what came of it."""
        return ((cell, self.outcomes.get(cell.position)) for cell in self.cells)

    def __getitem__(self, place: int | Position) -> Selected:
        """A cell by its number, or by its index on each axis."""
        numbers = {cell.position: number for number, cell in enumerate(self.cells)}
        cell = self.cells[place if isinstance(place, int) else numbers[place]]
        return Selected(cell, self.outcomes.get(cell.position))

    def cell(self, values: Mapping[str, Any] | None = None, /, **more: Any) -> Selected:
        """A cell by its values: `sweep.cell(steps=8, seed=1)`.

        Args:
            values: Values by the names of axes, for names that are no words of Python: `{"image_size.width": 512}`.
            **more: The same, by name. Axes with a single value need not be named.

        Raises:
            InputError: There is no such axis, value or cell, or more than one cell.
        """
        cell = find_cell(self.plan.axes, self.cells, {**(values or {}), **more})
        return Selected(cell, self.outcomes.get(cell.position))

    def compare(self, first: Selected | Mapping[str, Any], second: Selected | Mapping[str, Any]) -> Pair:
        """Show two cells against each other, with the inputs that differ.

        Args:
            first: A cell, or its values by the names of axes.
            second: The other one.

        Raises:
            InputError: There is no such cell, or it has no picture.
        """
        pair = [it if isinstance(it, Selected) else self.cell(it) for it in (first, second)]
        return Pair(*pair)

    def grid(self, caption: Callable[[Cell, Outcome], str] | None = None) -> Grid:
        """The experiment, laid out.

        Args:
            caption: What stands under a picture.
        """
        scales = tuple(Scale(axis.name, axis.labels) for axis in self.plan.axes)
        return Grid(self.name, scales, self._tiles(caption))

    def sheet(self, path: str | Path, *, side: int = 256, captions: bool = False) -> Path:
        """Draw it as one labelled picture for a paper; see `nbkit.experiments.sheet.write_sheet`."""
        return write_sheet(self.grid(facts), path, side=side, captions=captions)

    def explore(self, path: str | Path, *, originals: bool = True, judged: str = "") -> Path:
        """Write it as one page with axis pickers, zoom and votes; see `nbkit.experiments.explorer.write_explorer`."""
        return write_explorer(
            self.grid(facts), path, originals=originals, judged=judged, about=self._line(), sweep=self.id
        )

    def rows(self) -> list[dict[str, Any]]:
        """The cells as dicts: axes, seed, state, request id, seconds, cost, picture, inputs, and each metric."""
        return counting.rows(self)

    def to_pandas(self) -> Any:
        """The rows as a data frame; raises `ConfigError` where pandas is not installed."""
        return data_frame(self.rows(), "rows()")

    def measure(self, metrics: Any, *, at_once: int | None = None) -> Numbers:
        """Measure the first picture of each cell, each content once; see `nbkit.experiments.counting.measure`."""
        return counting.measure(self, metrics, at_once)

    def means(self, metric: str, by: str | Sequence[str], level: float = 0.95) -> Numbers:
        """The mean of a metric for each value of an axis; see `nbkit.experiments.counting.means`."""
        return counting.means(self, metric, by, level)

    def paired(self, metric: str, by: str, baseline: Any = None, level: float = 0.95) -> Numbers:
        """By how much a metric differs from a baseline; see `nbkit.experiments.counting.paired`."""
        return counting.paired(self, metric, by, baseline, level)

    def plot(self, metric: str, by: str | Sequence[str], *, level: float = 0.95, axes: Any = None) -> Plot:
        """Draw the means of a metric with their intervals; see `nbkit.experiments.plotting.plot`."""
        return plot(self, metric, by, level=level, axes=axes)

    def _left(self, states: frozenset[str]) -> list[Cell]:
        """The cells of which nothing came yet, or what came is in one of the states."""
        return [cell for cell, outcome in self if outcome is None or outcome.state in states]

    def _rehearsed(self, left: Sequence[Cell], **choice: bool) -> tuple[Past, Rehearsal]:
        past = look_back(self._client, left, **choice) if self._reuse else Past()
        return past, rehearse(self._client, self.plan, left, past)

    def _go(self, left: Sequence[Cell], *, show: bool, **choice: bool) -> Self:
        past, rehearsal = self._rehearsed(left, **choice)
        rehearsal.check_budget(self._max_usd)
        for cell in left:
            self.outcomes.pop(cell.position, None)
        self._budget = budget = Budget(self._max_usd, rehearsal.usd_of)
        for cell, outcome in self:
            if outcome:
                budget.note(cell, outcome)
        for position, result in past.done.items():
            self.outcomes[position] = Outcome.well(result, is_from_history=True)
        for position, record in past.lost.items():
            self.outcomes[position] = Outcome.lost(record)
        waiting = [cell for cell in left if cell.position not in self.outcomes]
        self._work(waiting, past, budget, show=show)
        return self

    def _work(self, cells: Sequence[Cell], past: Past, budget: Budget, *, show: bool) -> None:
        def start(cell: Cell) -> Run:
            if record := past.going_on.get(cell.position):
                return follow(self._client, record)
            return self._client.submit(cell.endpoint, cell.input, reuse="never", wait=False)

        def may_start(cell: Cell) -> bool:
            return cell.position in past.going_on or budget.allows(cell, running.active)

        board = Board(self._bundle, is_shown=show)
        token = current_sweep.set(self.id)
        self._began = time.monotonic()
        self._running = running = Running(start, self._gate, self._note, may_start)
        try:
            running.go(coarse_to_fine(cells, [len(axis) for axis in self.plan.axes]), board.tick)
        finally:
            self._running = None
            self._seconds += time.monotonic() - self._began
            self._began = None
            current_sweep.reset(token)
            board.end()
            self._shown_in = cell_count() if show else self._shown_in

    def _note(self, cell: Cell, outcome: Outcome) -> None:
        self.outcomes[cell.position] = outcome
        if self._budget:
            self._budget.note(cell, outcome)

    def _tiles(self, caption: Callable[[Cell, Outcome], str] | None = None) -> dict[tuple[int, ...], Tile]:
        active = {cell.position for cell in self._running.active} if self._running else set()
        tiles: dict[tuple[int, ...], Tile] = {}
        for cell in self.cells:
            outcome = self.outcomes.get(cell.position)
            if outcome is None:
                tiles[cell.position] = Tile(state="running" if cell.position in active else "waiting")
                continue
            image = outcome.image
            tiles[cell.position] = Tile(
                state=outcome.state,
                picture=image.path if image else None,
                caption=caption(cell, outcome) if caption else "⟲" if outcome.is_from_history else "",
                problem=outcome.problem,
                numbers=self.measurements.numbers(image.sha256) if image else {},
                is_from_history=outcome.is_from_history,
            )
        return tiles

    def _line(self) -> str:
        seconds = self._seconds + (time.monotonic() - self._began if self._began is not None else 0.0)
        counts = self.counts
        reused = sum(outcome.is_from_history for outcome in self.outcomes.values())
        words = [summary(counts, reused, seconds, self.cost)]
        if counts["waiting"] and self._budget and self._budget.was_too_small:
            words.append(f"stopped before ${self._max_usd:g} (max_usd)")
        return " · ".join(words)

    def _repr_mimebundle_(self, **_choice: Any) -> dict[str, Any]:
        # The cell that ran it has the grid already, also where `sweep.run()` is its last line.
        is_shown = self._shown_in == cell_count() > 0
        return {"text/plain": repr(self)} if is_shown else self._bundle()

    def _bundle(self) -> dict[str, Any]:
        return mosaic.bundle(self.grid(), [self._line()], Originals(Path.cwd()))

    def __repr__(self) -> str:
        return f"<Sweep {self.name or self.id[:8]}: {self._line()}>"


def _at_least(value: float | None, least: float, field: str) -> None:
    if value is not None and not value >= least:
        raise InputError(f"{field} is at least {least}, not {value!r:.40}", field=field)


def _client_on(executor: Any) -> Client:
    if executor is None:
        return Client()
    from nbkit.server.serving import client_on

    return client_on(executor)
