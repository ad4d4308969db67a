"""What came of one cell of an experiment."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from nbkit.errors import NbkitError, ServiceError

if TYPE_CHECKING:
    from nbkit.client.run import Run
    from nbkit.experiments.plan import Cell
    from nbkit.history.record import RunRecord
    from nbkit.model.media import Media
    from nbkit.model.result import Result

_TOO_MANY = "too many requests"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one cell. The whole result stands in the history, under the request id.

    Attributes:
        state: `succeeded`, `failed`, `cancelled` or `unknown`.
        media: The files that came.
        seed: The seed, given or told by the model; None where there is none.
        seconds: How long it took.
        cost: Money, None where that is not known.
        request_id: The service's id.
        problem: Why it ended badly, or why a file of it is not here; an empty string where all is well.
        is_from_history: Whether it was taken from the history, and nothing was sent.
        stand_in: The local model that answered in place of the endpoint, an empty string for the real one.
    """

    state: str
    media: tuple[Media, ...] = ()
    seed: int | None = None
    seconds: float = 0.0
    cost: float | None = None
    request_id: str = ""
    problem: str = ""
    is_from_history: bool = False
    stand_in: str = ""

    @property
    def image(self) -> Media | None:
        """The first picture that is on this machine."""
        return next((media for media in self.media if media.is_image and media.path is not None), None)

    @classmethod
    def of(cls, run: Run) -> Outcome:
        """What came of a run that is over."""
        if run.error is not None:
            return cls(
                state=run.status, seconds=run.seconds, request_id=run.id, problem=first_line(run.error)
            )
        return cls.well(run.result(), is_from_history=run.is_from_history)

    @classmethod
    def lost(cls, record: RunRecord) -> Outcome:
        """What is known of a request whose kernel ended before it knew."""
        when = record.when.strftime("%d %B %H:%M")
        words = (
            f"sent on {when}, and nobody knows whether it ran: nbkit.history.resume() looks for it, "
            "and retry(unknown=True) sends it again"
        )
        return cls(state="unknown", problem=words)

    @classmethod
    def well(cls, result: Result, *, is_from_history: bool) -> Outcome:
        """What came of a cell that succeeded."""
        return cls(
            state="succeeded",
            media=result.media,
            seed=result.seed,
            seconds=result.seconds,
            cost=result.cost,
            request_id=result.request_id,
            problem=next(filter(None, map(_missing, result.media)), ""),
            is_from_history=is_from_history,
            stand_in=result.stand_in,
        )

    @classmethod
    def refused(cls, error: BaseException) -> Outcome:
        """What came of a cell that could not be sent."""
        return cls(state="failed", problem=first_line(error))


def _missing(media: Media) -> str:
    """Why a file is not on this machine, an empty string where it is."""
    is_here = media.path is not None and media.path.is_file()
    return "" if is_here else media.problem or f"{media.name} is no longer on this machine"


def was_too_many(run: Run) -> bool:
    """Whether a service refused to take a request because it has too many; nothing was started then."""
    error = run.error
    if not isinstance(error, ServiceError) or run.id:
        return False
    # Dify says it with HTTP 400 up to 1.13.
    is_dify = error.status == HTTPStatus.BAD_REQUEST and _TOO_MANY in str(error).lower()
    return error.status == HTTPStatus.TOO_MANY_REQUESTS or is_dify


def first_line(error: BaseException) -> str:
    """What an error says, without its advice."""
    words = str(error.args[0] if isinstance(error, NbkitError) and error.args else error)
    return (words.strip() or type(error).__name__).splitlines()[0]


def facts(cell: Cell, outcome: Outcome) -> str:
    """The line under a picture: its seed and its seconds."""
    seed = outcome.seed if outcome.seed is not None else cell.input.get("seed")
    words = [
        f"seed {seed}" if seed is not None else "",
        f"{outcome.seconds:.1f} s" if outcome.seconds else "",
    ]
    return " · ".join(filter(None, words))
