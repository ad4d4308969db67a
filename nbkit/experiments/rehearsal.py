"""What an experiment would take, before anything is sent."""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbkit.display import table
from nbkit.errors import ConfigError, InputError, NbkitError
from nbkit.experiments.axes import ENDPOINT
from nbkit.history.queries import search
from nbkit.model.checking import check, nearest
from nbkit.model.endpoint import Endpoint
from nbkit.model.schema import properties_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nbkit.client.client import Client
    from nbkit.experiments.axes import Axis
    from nbkit.experiments.past import Past
    from nbkit.experiments.plan import Cell, Plan
    from nbkit.history.record import RunRecord
    from nbkit.model.schema import Schema

_SHOWN = 5
_LAST_RUNS = 50
_UNKNOWN = math.nan


@dataclass(frozen=True, slots=True)
class Experience:
    """What runs of an endpoint took so far.

    Attributes:
        seconds: The least and the most of the last runs; NaN where there were none.
        usd: The same for what they cost; NaN where that is not known.
    """

    seconds: tuple[float, float] = (_UNKNOWN, _UNKNOWN)
    usd: tuple[float, float] = (_UNKNOWN, _UNKNOWN)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What running an experiment would take.

    Attributes:
        combinations: How many there are before `where` and `sample`.
        requests: How many requests are to be made, by endpoint.
        known: What each endpoint took so far.
        in_history: How many are taken from the history, so that nothing is sent.
        going_on: How many were sent before and are followed to their end.
        lost: How many were sent before, and nobody knows whether they run.
        doubts: What the services may ignore in the inputs.
        unchecked: Endpoints whose schema could not be had, and why.
    """

    combinations: int
    requests: Mapping[str, int]
    known: Mapping[str, Experience] = field(repr=False)
    in_history: int = 0
    going_on: int = 0
    lost: int = 0
    doubts: tuple[str, ...] = ()
    unchecked: Mapping[str, str] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """How many requests are still to be made."""
        return sum(self.requests.values())

    @property
    def seconds(self) -> tuple[float, float]:
        """The least and the most seconds of all requests one after the other; NaN where that is not known."""
        return self._sum("seconds")

    @property
    def usd(self) -> tuple[float, float]:
        """The least and the most cost; NaN where that is not known."""
        return self._sum("usd")

    def usd_of(self, cell: Cell) -> float:
        """The most that a cell may cost, as far as runs of its endpoint tell; NaN where they do not."""
        return self.known[cell.endpoint].usd[1]

    def check_budget(self, max_usd: float | None) -> None:
        """See that a limit of cost can be kept.

        Raises:
            InputError: Nobody knows what a run of an endpoint costs.
        """
        if max_usd is None:
            return
        for endpoint in self.requests:
            if math.isnan(self.known[endpoint].usd[1]):
                raise InputError(
                    f"max_usd cannot be kept: what a run of {endpoint} costs is not known",
                    field="max_usd",
                    hint=f"call client.price({endpoint!r}) and run it once, or limit the requests with max_runs=",
                )

    def _sum(self, what: str) -> tuple[float, float]:
        pairs = [(getattr(self.known[name], what), count) for name, count in self.requests.items()]
        return sum(low * count for (low, _), count in pairs), sum(high * count for (_, high), count in pairs)

    def __str__(self) -> str:
        return str(self._repr_mimebundle_()["text/plain"])

    def _repr_mimebundle_(self, **_choice: Any) -> dict[str, Any]:
        rows = [
            (
                name,
                str(count),
                interval(*self.known[name].seconds, "{:.3g} s"),
                interval(*self.known[name].usd, "${:.4g}"),
            )
            for name, count in self.requests.items()
        ]
        rows.append(
            ("all", str(self.total), interval(*self.seconds, "{:.3g} s"), interval(*self.usd, "${:.4g}"))
        )
        rows += [("not checked", name, reason, "") for name, reason in self.unchecked.items()]
        rows += [("note", doubt, "", "") for doubt in self.doubts]
        earlier = [
            f", {count:,} {words}"
            for count, words in (
                (self.in_history, "in the history"),
                (self.going_on, "under way"),
                (self.lost, "unknown"),
            )
            if count
        ]
        title = f"{self.total:,} requests of {self.combinations:,} combinations{''.join(earlier)}; nothing was sent"
        return table.bundle(title, rows, ("endpoint", "requests", "each took", "each cost"))


def interval(low: float, high: float, form: str) -> str:
    """Two numbers as people write them: once where they are the same, `unknown` where they are none."""
    if math.isnan(low) or math.isnan(high):
        return "unknown"
    first, last = form.format(low), form.format(high)
    return first if first == last else f"{first} to {last}"


def rehearse(client: Client, plan: Plan, cells: Sequence[Cell], past: Past) -> Rehearsal:
    """Check requests against the schemas of their endpoints, and tell what they would take.

    Args:
        client: Who would send them.
        plan: What they are made from.
        cells: What is left of it.
        past: What became of some of them before; only the others are to be sent.

    Raises:
        InputError: A request would be refused, or an axis varies what its endpoint does not have.
    """
    new = [cell for cell in cells if not past.knows(cell)]
    requests = Counter(cell.endpoint for cell in new)
    schemas, unchecked = _schemas(client, requests)
    for axis in plan.axes:
        _check_axis(axis, schemas.values())
    doubts = _check_cells(new, schemas)
    known = {endpoint: experience(endpoint) for endpoint in {cell.endpoint for cell in cells}}
    return Rehearsal(
        plan.combinations,
        dict(requests),
        known,
        len(past.done),
        len(past.going_on),
        len(past.lost),
        tuple(doubts),
        unchecked,
    )


def experience(endpoint: str) -> Experience:
    """What the last runs of an endpoint took, as far as the history can be read."""
    runs: list[RunRecord] = []
    with contextlib.suppress(ConfigError):
        found = search(endpoint=endpoint, status="succeeded", limit=_LAST_RUNS)
        runs = [run for run in found if run.endpoint == endpoint]
    seconds = [run.seconds for run in runs if run.seconds is not None]
    usd = [run.cost for run in runs if run.cost is not None]
    if Endpoint.parse(endpoint).provider == "local" or any(run.stand_in for run in runs[:1]):
        usd = [0.0]
    return Experience(_least_and_most(seconds), _least_and_most(usd))


def _least_and_most(values: Sequence[float]) -> tuple[float, float]:
    return (min(values), max(values)) if values else (_UNKNOWN, _UNKNOWN)


def _schemas(client: Client, endpoints: Mapping[str, int]) -> tuple[dict[str, Schema], dict[str, str]]:
    schemas, unchecked = {}, {}
    for endpoint in endpoints:
        try:
            schemas[endpoint] = client.schema(endpoint)
        except InputError:
            raise
        except NbkitError as error:
            unchecked[endpoint] = str(error.args[0])
        with contextlib.suppress(NbkitError):
            client.price(endpoint)  # from then on the cost of its runs is known
    return schemas, unchecked


def _check_axis(axis: Axis, schemas: Iterable[Schema]) -> None:
    """An input that no endpoint knows would be ignored, and every value of the axis give the same picture."""
    for schema in schemas:
        properties = properties_of(schema.input)
        is_open = schema.input.get("additionalProperties") not in (None, False)
        for place in axis.fields if properties and not is_open else ():
            name = place.partition(".")[0]
            if name not in properties:
                near = nearest(name, [*properties, ENDPOINT])
                advice = f'did you mean "{near}"?' if near else f"it has {', '.join(properties)}"
                raise InputError(
                    f'the axis "{place[:60]}" is not an input of {schema.endpoint}',
                    field=place,
                    hint=advice[:300],
                )


def _check_cells(cells: Sequence[Cell], schemas: Mapping[str, Schema]) -> list[str]:
    refused: list[str] = []
    doubts: dict[str, None] = {}
    for cell in cells:
        if (schema := schemas.get(cell.endpoint)) is None:
            continue
        problems = check(cell.input, schema.input, cell.endpoint)
        doubts |= {it.message: None for it in problems if not it.is_certain}
        refused += [f"{cell.name}: {it.message}" for it in problems if it.is_certain][:1]
    if refused:
        more = f"\n  … and {len(refused) - _SHOWN} more" if len(refused) > _SHOWN else ""
        listed = "".join(f"\n  {one[:200]}" for one in refused[:_SHOWN])
        raise InputError(
            f"{len(refused)} of {len(cells)} requests would be refused; nothing was sent{listed}{more}"
        )
    return list(doubts)[:_SHOWN]
