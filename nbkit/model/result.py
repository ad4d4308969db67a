"""What a run gave: the output as it came, and its files."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from nbkit import __version__
from nbkit.display.escape import clean
from nbkit.display.state import age
from nbkit.model.endpoint import Endpoint
from nbkit.model.media import Files
from nbkit.model.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nbkit.display.card import Card
    from nbkit.model.media import Media


@dataclass(frozen=True, slots=True)
class FromHistory:
    """Where a result was taken from that was not asked for again.

    Attributes:
        when: When the request was sent that gave it, in seconds since 1970.
        request_id: The service's id of that request.
        id: The history's id of it.
        is_replay: Whether nothing was to be sent at all.
    """

    when: float
    request_id: str
    id: str
    is_replay: bool = False

    @property
    def said(self) -> str:
        """That it cost nothing, in a line; an empty string in a replay, which shows what was shown then."""
        return "" if self.is_replay else f"from history, {age(time.time() - self.when)}, not billed again"


@dataclass(frozen=True)
class Result:
    """The output of one run.

    Attributes:
        data: The output JSON exactly as the service gave it.
        endpoint: What was called.
        input: What was sent, files replaced by their addresses.
        request_id: The service's id of the run, an empty string where it has none.
        media: Every file in the output, downloaded.
        seconds: From sending the request to having the files, by the clock on the wall.
        metrics: What the service measured (`inference_time` in seconds, …).
        billable_units: What the service says it will bill, in its own unit; None where it does not say.
        cost: Money, None where unknown; never 0 for "unknown".
        stand_in: The local model that answered in place of the endpoint, an empty string for the real one.
        ended_at: When it was here, in seconds since 1970.
        is_partial: Whether steps of a workflow failed and it went on without them.
        from_history: Where it was taken from, None where it was asked for.
    """

    data: Any
    endpoint: str = ""
    input: Mapping[str, Any] = field(default_factory=dict, repr=False)
    request_id: str = ""
    media: tuple[Media, ...] = ()
    seconds: float = 0.0
    metrics: Mapping[str, Any] = field(default_factory=dict, repr=False)
    billable_units: float | None = None
    cost: float | None = None
    stand_in: str = ""
    ended_at: float = field(default_factory=time.time, repr=False, compare=False)
    is_partial: bool = False
    from_history: FromHistory | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.endpoint:
            made = (replace(it, recipe=self._recipe(it, index)) for index, it in enumerate(self.media))
            object.__setattr__(self, "media", Files(made))

    @property
    def images(self) -> Files:
        """The pictures among the files."""
        return Files(media for media in self.media if media.is_image)

    @property
    def image(self) -> Media:
        """The first picture.

        Raises:
            IndexError: The output has no picture.
        """
        return self.images[0]

    @property
    def seed(self) -> int | None:
        """The seed that the model says it used, None where it does not say."""
        seed = self.data.get("seed") if isinstance(self.data, dict) else None
        return seed if isinstance(seed, int) else None

    @property
    def timings(self) -> Mapping[str, Any]:
        """Seconds by phase: what the model reports, else what the service measured."""
        own = self.data.get("timings") if isinstance(self.data, dict) else None
        return own if isinstance(own, dict) else self.metrics

    @property
    def tokens(self) -> int | None:
        """How many tokens of language models a workflow used, None where the service does not say."""
        tokens = self.metrics.get("total_tokens")
        return tokens if isinstance(tokens, int) else None

    def _recipe(self, media: Media, index: int) -> Recipe:
        sent = self.input.get("seed")
        return Recipe(
            endpoint=self.endpoint,
            input=self.input,
            seed=self.seed if self.seed is not None else sent if isinstance(sent, int) else None,
            request_id=self.request_id,
            provider=Endpoint.parse(self.endpoint).provider,
            stand_in=self.stand_in,
            software=f"nbkit {__version__}",
            time=datetime.fromtimestamp(self.ended_at, UTC).isoformat(timespec="seconds"),
            place=media.place,
            index=index,
        )

    def __getitem__(self, key: str | int) -> Any:
        return self.data[key]

    def __contains__(self, key: object) -> bool:
        return key in self.data

    def __iter__(self) -> Iterator[Any]:
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)

    def facts(self) -> dict[str, Any]:
        """What a notebook keeps beside the shown result, as metadata of its HTML: no paths, no addresses."""
        files = [
            {
                "place": media.place,
                "name": media.name,
                "content_type": media.content_type,
                "width": media.width,
                "height": media.height,
                "size": media.size,
                "sha256": media.sha256,
            }
            for media in self.media
        ]
        about = {
            "endpoint": self.endpoint,
            "request_id": self.request_id,
            "seconds": round(self.seconds, 3),
            "seed": self.seed,
            "stand_in": self.stand_in,
            "files": files,
        }
        return {"text/html": {"nbkit": about}}

    def __repr__(self) -> str:
        count = len(self.media)
        files = f"{count} file{'s' if count != 1 else ''}" if count else ""
        partial = "partial: steps of it failed" if self.is_partial else ""
        facts = (partial, files, "" if self.seed is None else f"seed {self.seed}", f"{self.seconds:.1f} s")
        stand_in = f" (stand-in: {self.stand_in})" if self.stand_in else ""
        return clean(f"<Result of {self.endpoint}{stand_in}: {', '.join(filter(None, facts))}>")

    def card(self) -> Card:
        """The result as something to be shown."""
        from nbkit.display.card import Card

        return Card(
            endpoint=self.endpoint,
            status="succeeded",
            request_id=self.request_id,
            seconds=self.seconds,
            figures=Files(self.media).figures(),
            output=self.data,
            stand_in=self.stand_in,
            cost=self.cost,
            tokens=self.tokens,
            is_partial=self.is_partial,
            from_history=self.from_history.said if self.from_history else "",
        )

    def _repr_mimebundle_(self, **_choice: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        from nbkit.display.card import bundle

        return bundle(self.card()), self.facts()
