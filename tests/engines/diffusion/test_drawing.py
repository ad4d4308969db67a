from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from nbkit.engines.diffusion import SCHEDULERS, Wish, draw, loaded
from nbkit.errors import EngineError
from tests.tiny_pipeline import LIBRARIES_WARN, SIDE, needs_diffusers, save_flux

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [needs_diffusers, *LIBRARIES_WARN]

WISH = Wish(prompt="a cat", seed=5, steps=3)
START = Image.new("RGB", (96, 64), "skyblue")


def _drawn(folder: Path, wish: Wish, **options: Any) -> bytes:
    with loaded(folder, say=lambda _line: None) as pipeline:
        return draw(pipeline, wish, **{"on_step": lambda *_: None} | options).image.tobytes()


def test_the_seed_decides(tiny: Path) -> None:
    """The same one gives the same bytes, another one others; very large ones are seeds too."""
    assert _drawn(tiny, WISH) == _drawn(tiny, WISH)
    assert _drawn(tiny, WISH) != _drawn(tiny, replace(WISH, seed=6))
    assert _drawn(tiny, replace(WISH, seed=2**63 - 1)) != _drawn(tiny, WISH)


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "a dog"},
        {"negative_prompt": "a dog"},
        {"guidance": 1.5},
        {"steps": 4},
        {"start": START, "strength": 0.5},
        {"start": START, "strength": 0.9},
    ],
)
def test_every_wish_counts(tiny: Path, change: dict[str, Any]) -> None:
    """None is accepted and forgotten."""
    assert _drawn(tiny, WISH) != _drawn(tiny, replace(WISH, **change))


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_scheduler_is_for_one_picture(tiny: Path, scheduler: str) -> None:
    """The next one is made with the model's own again. The tiny pipeline's own is DDIM."""
    own = _drawn(tiny, WISH)
    other = _drawn(tiny, replace(WISH, scheduler=scheduler))

    assert (own == other) == (scheduler == "ddim")
    assert _drawn(tiny, WISH) == own


def test_a_pipeline_of_another_kind_is_called_as_it_wants_to_be(tmp_path: Path) -> None:
    """FLUX takes the size of a start picture in words, packs its latents, and has schedulers of its own."""
    told: list[Any] = []
    with loaded(save_flux(tmp_path / "flux"), say=lambda _line: None) as pipeline:
        for wish in (replace(WISH, size=(64, 96)), replace(WISH, start=START, strength=0.9)):
            drawing = draw(pipeline, wish, on_step=lambda *step: told.append(step[2]), previews=True)
            assert drawing.image.size == wish.goal == told[-1].size
        with pytest.raises(EngineError, match="ddim is no scheduler for this model") as caught:
            draw(pipeline, replace(WISH, scheduler="ddim"), on_step=lambda *_: None)

    assert caught.value.field == "scheduler"


def test_the_size_is_the_one_asked_for_or_the_models_own(tiny: Path) -> None:
    """Also of a picture that begins with another."""
    with loaded(tiny, say=lambda _line: None) as pipeline:
        sizes = [
            draw(pipeline, replace(WISH, steps=2, **change), on_step=lambda *_: None).image.size
            for change in ({}, {"size": (64, 120)}, {"start": START}, {"start": START, "size": (64, 120)})
        ]

    assert sizes == [(SIDE, SIDE), (64, 120), (96, 64), (64, 120)]


def test_each_step_is_told_with_the_picture_so_far(tiny: Path) -> None:
    """A start picture leaves out the steps that lie before it."""
    told: list[tuple[float, str, Any]] = []
    _drawn(tiny, WISH, on_step=lambda *step: told.append(step), previews=True)
    _drawn(tiny, replace(WISH, steps=10, start=START, strength=0.2), on_step=lambda *step: told.append(step))

    assert [step[1] for step in told] == [
        "step 1 of 3",
        "step 2 of 3",
        "step 3 of 3",
        "step 1 of 2",
        "step 2 of 2",
    ]
    assert [step[0] for step in told] == [1 / 3, 2 / 3, 1, 1 / 2, 1]
    assert [step[2] and step[2].size for step in told] == [(SIDE, SIDE)] * 3 + [None] * 2
    assert len({step[2].tobytes() for step in told[:3]}) == 3


def test_what_a_step_raises_stops_the_work(tiny: Path) -> None:
    """And the next picture is made as if nothing had been."""
    before = _drawn(tiny, WISH)

    def stop(*_step: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _drawn(tiny, WISH, on_step=stop)
    assert _drawn(tiny, WISH) == before


def test_too_little_strength_is_refused(tiny: Path) -> None:
    """None of the steps would be left; the model's own number counts where none is given."""
    for steps, strength in ((3, 0.3), (None, 0.01)):
        with pytest.raises(EngineError, match="leave none to do") as caught:
            _drawn(tiny, replace(WISH, steps=steps, start=START, strength=strength))
        assert caught.value.field == "strength"


def test_what_the_pipeline_refuses_is_said_in_one_line(tiny: Path) -> None:
    """It judges by its own rules, whatever was checked before."""
    with pytest.raises(EngineError, match=r"StableDiffusionPipeline cannot draw this: .*divisible by 8"):
        _drawn(tiny, replace(WISH, size=(65, 65)))
