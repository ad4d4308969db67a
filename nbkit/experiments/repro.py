"""Whether an endpoint gives the same for the same request: by sending it again."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from nbkit.client.client import Client
from nbkit.client.run import Run
from nbkit.config import data_dir, is_replay
from nbkit.errors import ConfigError, InputError, MediaError, NbkitError
from nbkit.experiments import lines
from nbkit.experiments.likeness import BYTES, DIFFERENT, VERDICTS, likeness
from nbkit.experiments.numbers import Numbers
from nbkit.experiments.outcome import first_line
from nbkit.history.canonical import fingerprint
from nbkit.history.record import RunRecord
from nbkit.model.endpoint import Endpoint
from nbkit.model.records import Records
from nbkit.model.result import Result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbkit.model.media import Media

_COLUMNS = (
    "request",
    "file",
    "verdict",
    "similarity",
    "worst part",
    "distance",
    "seconds",
    "request_id",
    "problem",
)
_FILE = "reproducibility.jsonl"
_NOT_KEPT = re.compile(r"data:[^,;]*;sha256=[0-9a-f]{64};|.*… \[\d+ characters cut\]$", re.DOTALL)
_PASSING = ("timings", "url")


@dataclass(frozen=True, slots=True)
class Request:
    """A request that was answered once.

    Attributes:
        endpoint: What was called.
        input: What was sent.
        media: What came.
        data: The output.
        seed: The seed that the model told.
        stand_in: The local model that answered, an empty string for the real one.
    """

    endpoint: str
    input: Mapping[str, Any] = field(repr=False)
    media: tuple[Media, ...] = field(default=(), repr=False)
    data: Any = field(default=None, repr=False)
    seed: int | None = None
    stand_in: str = ""

    @property
    def is_seeded(self) -> bool:
        """Whether its input says from which seed."""
        return self.input.get("seed") is not None

    @classmethod
    def of(cls, thing: Run | Result | RunRecord) -> Request:
        """The request of a run, a result, or a record of the history.

        Raises:
            InputError: It is none of these, or the history did not keep its input or output whole.
            NbkitError: The run ended badly.
        """
        if isinstance(thing, Run):
            thing = thing.result()
        result = thing.result if isinstance(thing, RunRecord) else thing
        if not isinstance(result, Result) or not result.endpoint:
            raise InputError(
                f"{type(thing).__name__} has no result that can be compared",
                hint="give a run, a result, or a record of the history that succeeded",
            )
        if isinstance(thing, RunRecord):
            _check_whole(thing)
        return cls(result.endpoint, result.input, result.media, result.data, result.seed, result.stand_in)


class Repeats(Numbers):
    """What came when requests were sent again.

    Attributes:
        verdict: The worst of all: `identical bytes`, `identical to the eye` or `different`; an empty string where
            nothing came.
    """

    def __init__(self, title: str, rows: Sequence[dict[str, Any]]) -> None:
        super().__init__(title, _COLUMNS, rows)
        found = [row["verdict"] for row in rows if row["verdict"]]
        self.verdict = max(found, key=VERDICTS.index, default="")


def repro(
    thing: Run | Result | RunRecord, n: int = 3, *, client: Client | None = None, anyway: bool = False
) -> Repeats:
    """Send the same request again, and tell whether the same comes. Each is billed like any other.

    Nothing is taken from the history. What was found is kept: `nbkit.experiments.reproducibility` lists it.

    Args:
        thing: A run, a result, or a record of the history.
        n: How many times.
        client: Who sends the requests.
        anyway: Whether to send a request without a seed, too.

    Raises:
        InputError: It has no seed in its input, or was not kept whole; nothing was sent then.
        ConfigError: This is a replay, which sends nothing.
        NbkitError: The run ended badly.
    """
    if isinstance(n, bool) or n < 1:
        raise InputError(f"n is at least 1, not {n!r:.40}", field="n")
    request = Request.of(thing)
    if not request.is_seeded and not anyway:
        told = "" if request.seed is None else f"it told seed {request.seed}: send it with that seed, or "
        raise InputError(
            "its input has no seed, so another result is no surprise",
            field="seed",
            hint=f"{told}repro(…, anyway=True)",
        )
    client = client or Client()
    results = send([request] * n, client)
    rows = [row for number, result in enumerate(results, 1) for row in compared(number, request, result)]
    repeats = Repeats(f"{request.endpoint}: {_verdicts(rows)} · {bill(results)}", rows)
    _keep(request, repeats, schema_hash(client, request.endpoint), n)
    return repeats


def reproducibility(endpoint: str = "") -> Records:
    """What `repro` found on this machine, oldest first.

    Args:
        endpoint: Of one endpoint alone.

    Raises:
        MediaError: The file cannot be read.
    """
    try:
        rows = lines.read(data_dir() / _FILE)
    except OSError as error:
        raise MediaError(f"what repro found cannot be read: {error.strerror or error}") from error
    columns = ("endpoint", "date", "verdict", *VERDICTS, "repeats", "stand_in", "schema_sha256")
    found = [row for row in rows if not endpoint or row.get("endpoint") == endpoint]
    return Records(f"{len(found)} times", columns, found)


def send(requests: Sequence[Request], client: Client) -> list[Result | NbkitError]:
    """Send requests, all at once; an interrupt cancels those that are under way.

    Raises:
        ConfigError: This is a replay, which sends nothing.
    """
    if is_replay():
        raise ConfigError("a replay sends nothing again", hint="unset NBKIT_MODE to send it")
    runs: list[Run | NbkitError] = []
    try:
        for request in requests:
            try:
                runs.append(client.submit(request.endpoint, request.input, wait=False, reuse="never"))
            except NbkitError as error:
                runs.append(error)
        return [run if isinstance(run, NbkitError) else _result(run) for run in runs]
    except BaseException:
        for run in runs:
            if isinstance(run, Run):
                run.cancel()
        raise


def compared(number: int, request: Request, result: Result | NbkitError) -> list[dict[str, Any]]:
    """What came this time beside what came at first: one row for each file, or one for an output without files."""
    about: dict[str, Any] = dict.fromkeys(_COLUMNS) | {"request": number, "verdict": "", "problem": ""}
    if isinstance(result, NbkitError):
        return [about | {"problem": first_line(result)}]
    about |= {"seconds": result.seconds, "request_id": result.request_id}
    if not request.media and not result.media:
        is_same = _lasting(request.data) == _lasting(result.data)
        return [about | {"file": "output", "verdict": BYTES if is_same else DIFFERENT}]
    first, second = ({media.place: media for media in it} for it in (request.media, result.media))
    return [about | _compared(place, first.get(place), second.get(place)) for place in (first | second)]


def bill(results: Sequence[Result | NbkitError]) -> str:
    """What sending them took, in words."""
    came = [it for it in results if isinstance(it, Result)]
    if came and all(it.stand_in or Endpoint.parse(it.endpoint).provider == "local" for it in came):
        return f"{len(results)} more requests, on this machine, billed by nobody"
    costs = [it.cost for it in came]
    known = [cost for cost in costs if cost is not None]
    cost = f"${sum(known):.4f}" if costs and len(known) == len(results) else "cost unknown"
    return f"{len(results)} more requests, billed like any other: {cost}"


def schema_hash(client: Client, endpoint: str) -> str:
    """The SHA-256 of what the service says about an endpoint's input and output; empty where it does not say."""
    try:
        schema = client.schema(endpoint)
    except NbkitError:
        return ""
    text = json.dumps([schema.input, schema.output], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def today() -> str:
    """The moment, in UTC, as ISO 8601 has it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _compared(place: str, first: Media | None, second: Media | None) -> dict[str, Any]:
    if first is None or second is None:
        return {"file": place, "verdict": DIFFERENT, "problem": f"came {'only now' if second else 'no more'}"}
    found = likeness(first.path, second.path, (first.sha256, second.sha256))
    told = asdict(replace(found, problem=found.problem or second.problem))
    return {"file": place} | {name.replace("_", " "): value for name, value in told.items()}


def _result(run: Run) -> Result | NbkitError:
    try:
        return run.result()
    except NbkitError as error:
        return error


def _verdicts(rows: Sequence[Mapping[str, Any]]) -> str:
    counts = Counter(row["verdict"] or "nothing came" for row in rows)
    return ", ".join(f"{count} × {verdict}" for verdict, count in counts.items())


def _keep(request: Request, repeats: Repeats, schema: str, n: int) -> None:
    counts = Counter(row["verdict"] for row in repeats)
    about = {"endpoint": request.endpoint, "date": today(), "repeats": n, "verdict": repeats.verdict}
    more = {"stand_in": request.stand_in, "schema_sha256": schema}
    try:
        lines.append(data_dir() / _FILE, [about | {it: counts[it] for it in VERDICTS} | more])
    except OSError as error:
        raise MediaError(f"what was found cannot be kept: {error.strerror or error}") from error


def _lasting(data: Any) -> Any:
    """An output without what differs every time."""
    if isinstance(data, Mapping):
        return {name: _lasting(value) for name, value in data.items() if name not in _PASSING}
    return [_lasting(value) for value in data] if isinstance(data, list) else data


def _check_whole(record: RunRecord) -> None:
    known = {media.place: media.sha256 for media in record.input_files if media.sha256}
    is_cut = any(_NOT_KEPT.match(text) for text in _texts(record.input))
    if is_cut or fingerprint(record.input, known) != record.input_sha256:
        raise InputError(
            "the history did not keep its input whole: files in it, long texts and secrets are left out",
            field="input",
            hint="give the run or its result",
        )


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return [text for it in inner for text in _texts(it)]
