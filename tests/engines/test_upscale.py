from __future__ import annotations

import math
import multiprocessing
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image, ImageDraw

from nbkit.engines import upscale as engine, weights
from nbkit.engines.span import span_model
from nbkit.engines.upscale import upscale
from nbkit.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Photograph = Callable[[str], Image.Image]

MEMORY = """
from pathlib import Path
from skimage import data
from PIL import Image
from nbkit.engines.upscale import upscale
assert upscale(Image.fromarray(data.astronaut()), 4).method == "span-x4"
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(status["VmHWM"].split()[0])
"""


def values(image: Image.Image) -> NDArray[np.int16]:
    """Pixels as numbers that can be subtracted."""
    return np.asarray(image).astype(np.int16)


def psnr(image: Image.Image, truth: Image.Image) -> float:
    """Peak signal-to-noise ratio in decibels."""
    error = np.mean((values(image).astype(np.float64) - values(truth)) ** 2)
    return float(10 * math.log10(255**2 / error))


def lanczos(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """What Pillow does without any network."""
    return image.resize(size, Image.Resampling.LANCZOS)


def smaller(image: Image.Image, factor: int) -> tuple[Image.Image, Image.Image]:
    """A picture made small bicubically, and the truth it was made from."""
    size = (image.width // factor, image.height // factor)
    truth = image.crop((0, 0, size[0] * factor, size[1] * factor))
    return truth.resize(size, Image.Resampling.BICUBIC), truth


@pytest.mark.parametrize(
    ("size", "factor", "expected", "method"),
    [
        ((33, 17), 2, (66, 34), "span-x2"),
        ((33, 17), 1.5, (50, 26), "span-x2"),
        ((33, 17), 3, (99, 51), "span-x4"),
        ((33, 17), 4, (132, 68), "span-x4"),
        ((33, 17), 2.001, (66, 34), "span-x4"),
        ((1, 1), 4, (4, 4), "span-x4"),
        ((1, 300), 1.3, (1, 390), "span-x2"),
        ((33, 17), 1, (33, 17), "lanczos"),
    ],
)
def test_the_size_is_the_rounded_product(
    photograph: Photograph, size: tuple[int, int], factor: float, expected: tuple[int, int], method: str
) -> None:
    """Any size and any factor from 1 to 4 give exactly the size one expects, by the network one expects."""
    upscaled = upscale(photograph("chelsea").resize(size), factor)

    assert upscaled.image.size == expected
    assert upscaled.method == method


@settings(max_examples=25, deadline=None)
@given(
    width=st.integers(1, 40),
    height=st.integers(1, 40),
    factor=st.floats(1, 4),
    mode=st.sampled_from(["RGB", "RGBA", "L", "LA"]),
)
def test_any_plain_picture_keeps_its_mode(width: int, height: int, factor: float, mode: str) -> None:
    """Grey stays grey, colour stays colour and transparency stays, at every size and factor."""
    picture = Image.radial_gradient("L").resize((width, height)).convert(mode)

    upscaled = upscale(picture, factor)

    assert upscaled.image.mode == mode
    assert upscaled.image.size == (round(width * factor), round(height * factor))


@pytest.mark.parametrize(
    ("mode", "expected"), [("1", "L"), ("P", "RGB"), ("CMYK", "RGB"), ("I;16", "L"), ("I", "L"), ("F", "L")]
)
def test_other_modes_become_the_nearest_plain_one(mode: str, expected: str) -> None:
    """Palettes, bitmaps, CMYK and deep greys can be upscaled and still look like themselves."""
    grey = Image.linear_gradient("L").resize((64, 64))
    picture = (
        Image.fromarray(np.asarray(grey).astype(np.uint16) * 257) if mode == "I;16" else grey.convert(mode)
    )
    assert picture.mode == mode

    upscaled = upscale(picture, 2).image

    assert upscaled.mode == expected
    tolerance = 60 if mode == "1" else 3  # dots seen from afar
    seen = values(upscaled.convert("L").resize((8, 8), Image.Resampling.BOX))
    assert np.abs(seen - values(grey.resize((8, 8), Image.Resampling.BOX))).max() <= tolerance


def test_a_transparent_palette_stays_transparent() -> None:
    """A GIF with a transparent colour comes out as RGBA."""
    picture = Image.new("P", (20, 20))
    picture.putpalette([200, 0, 0, 0, 200, 0])
    picture.paste(1, (5, 5, 15, 15))
    picture.info["transparency"] = 0

    upscaled = upscale(picture, 2).image

    assert upscaled.mode == "RGBA"
    assert upscaled.getpixel((1, 1))[3] == 0  # type: ignore[index]
    assert upscaled.getpixel((20, 20))[3] == 255  # type: ignore[index]


@pytest.mark.parametrize("factor", [2, 4])
def test_it_is_nearer_to_the_truth_than_lanczos(photograph: Photograph, factor: int) -> None:
    """Of a clean photograph made small, the network restores clearly more than Lanczos does."""
    for name in ("astronaut", "coffee"):
        small, truth = smaller(photograph(name), factor)

        upscaled = upscale(small, factor)

        assert upscaled.method == f"span-x{factor}"
        assert psnr(upscaled.image, truth) > psnr(lanczos(small, truth.size), truth) + 1.5


@pytest.mark.parametrize("factor", [2, 4])
def test_noise_and_hard_text_do_not_break_it(photograph: Photograph, factor: int) -> None:
    """Strong noise and pixel-sharp text come out no worse than Lanczos would make them, give or take a decibel."""
    small, truth = smaller(photograph("coffee"), factor)
    noise = np.random.default_rng(0).normal(0, 40, (small.height, small.width, 3))
    noisy = Image.fromarray((values(small) + noise).clip(0, 255).astype(np.uint8))
    text = Image.new("RGB", (160 * factor, 60 * factor), "white")
    ImageDraw.Draw(text).text((4, 4), "Hard text", fill="black", font_size=20 * factor)
    hard = text.resize((160, 60), Image.Resampling.BOX)

    for picture, what, allowed in ((noisy, truth, 2), (hard, text, 1)):
        assert psnr(upscale(picture, factor).image, what) > psnr(lanczos(picture, what.size), what) - allowed


def test_tiles_leave_no_seams(photograph: Photograph, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture drawn in tiles is the one drawn at once, to two grey levels."""
    picture = photograph("coffee").crop((100, 50, 400, 250))

    tiled = upscale(picture, 2).image
    monkeypatch.setattr(engine, "TILE", 1000)
    at_once = upscale(picture, 2).image

    assert np.abs(values(tiled) - values(at_once)).max() <= 2


def test_transparency_has_no_dark_fringe() -> None:
    """A bright disc on transparent black stays bright up to its very edge."""
    disc = Image.new("RGBA", (64, 64))
    ImageDraw.Draw(disc).ellipse((12, 12, 52, 52), fill=(250, 220, 40, 255))

    upscaled = values(upscale(disc, 4).image)

    visible = upscaled[upscaled[..., 3] > 0]
    assert np.abs(visible[:, :3] - (250, 220, 40)).max() <= 6
    assert upscaled[128, 128, 3] == 255
    assert upscaled[0, 0, 3] == 0


def test_half_transparent_colours_are_kept() -> None:
    """A soft black shadow beside white paper stays black, however faint it is."""
    picture = Image.new("RGBA", (64, 64), (0, 0, 0, 60))
    picture.paste((255, 255, 255, 255), (0, 0, 32, 64))

    upscaled = values(upscale(picture, 2).image)

    assert upscaled[64, 100, :3].max() <= 6
    assert upscaled[64, 100, 3] == 60


@pytest.mark.parametrize("factor", [0.99, 4.01, 0, -1, math.nan, math.inf])
def test_other_factors_are_refused(factor: float) -> None:
    """A factor that is not from 1 to 4 is named as the input at fault."""
    with pytest.raises(EngineError, match="from 1 to 4") as caught:
        upscale(Image.new("RGB", (8, 8)), factor)
    assert caught.value.field == "upscale_factor"


def test_absurd_sizes_are_refused_before_any_work() -> None:
    """A picture that would need more than 64 megapixels is refused at once, with its figures."""
    with pytest.raises(EngineError, match=r"12000 x 12000 .* 64 megapixels") as caught:
        upscale(Image.new("L", (3000, 3000)), 2.5)
    assert caught.value.field == "upscale_factor"


def test_a_picture_without_pixels_is_refused() -> None:
    """An empty picture is refused with a sentence, not with a crash."""
    with pytest.raises(EngineError, match="0 x 5"):
        upscale(Image.new("RGB", (0, 5)), 2)


@pytest.mark.usefixtures("empty_cache")
def test_without_weights_it_is_lanczos_and_says_so(photograph: Photograph) -> None:
    """On a machine without weights a picture is still enlarged, and nobody is told it was the network."""
    picture = photograph("chelsea")
    shares: list[float] = []

    upscaled = upscale(picture, 2, on_progress=shares.append)

    assert upscaled.method == "lanczos"
    assert upscaled.image == lanczos(picture, (picture.width * 2, picture.height * 2))
    assert shares == [1.0]


def test_damaged_weights_are_an_error(empty_cache: Path) -> None:
    """Weights that went bad are reported, not quietly replaced by something poorer."""
    place = empty_cache / "models" / "span-x2.bin"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"bad")

    with pytest.raises(EngineError, match="damaged"):
        upscale(Image.new("RGB", (8, 8)), 2)


def test_progress_and_tiles_tell_the_whole_story(photograph: Photograph) -> None:
    """Progress grows to 1, and the tiles laid side by side are the picture."""
    picture = photograph("coffee").crop((0, 0, 200, 150))
    shares: list[float] = []
    canvas = Image.new("RGB", (400, 300))

    upscaled = upscale(picture, 2, on_progress=shares.append, on_tile=canvas.paste)

    assert shares == [0.25, 0.5, 0.75, 1.0]
    assert canvas == upscaled.image


def test_tiles_fit_together_at_odd_factors(photograph: Photograph) -> None:
    """At a factor between, too, the tiles fill the picture without a gap."""
    covered = Image.new("L", (300, 200))

    upscale(
        photograph("coffee").crop((0, 0, 150, 100)).resize((161, 107)),
        300 / 161,
        on_tile=lambda tile, box: covered.paste(255, (*box[:2], box[0] + tile.width, box[1] + tile.height)),
    )

    assert covered.crop((0, 0, 300, 199)).getextrema() == (255, 255)


def test_it_can_be_stopped(photograph: Photograph) -> None:
    """What the progress callback raises ends the work."""

    def stop(_share: float) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        upscale(photograph("astronaut"), 4, on_progress=stop)


def test_it_works_in_a_spawned_process(photograph: Photograph) -> None:
    """A worker process gives the same picture as this one."""
    picture = photograph("chelsea").crop((0, 0, 60, 40))
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as workers:
        there = workers.submit(upscale, picture, 2).result()

    assert there.method == "span-x2"
    assert np.abs(values(there.image) - values(upscale(picture, 2).image)).max() <= 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak of one process by itself")
def test_memory_stays_small() -> None:
    """Enlarging 512 x 512 to 2048 x 2048 takes less than 600 MB, Python and all."""
    kilobytes = subprocess.run([sys.executable, "-c", MEMORY], check=True, capture_output=True).stdout

    assert 50_000 < int(kilobytes) < 600_000


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"x" * 823_540])
def test_other_files_are_not_taken_for_the_network(content: bytes) -> None:
    """Putting the network together from anything but its weights fails instead of drawing nonsense."""
    with pytest.raises(ValueError, match="weights"):
        span_model(content, 2)


def test_weights_of_the_wrong_factor_are_noticed() -> None:
    """The weights for factor 4 do not pass for those for factor 2."""
    with pytest.raises(ValueError, match="left over"):
        span_model(weights.read("span-x4"), 2)
