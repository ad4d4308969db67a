from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from nbkit.display.preview import preview
from nbkit.errors import MediaError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.display.conftest import Paint


def decoded(data: bytes) -> Image.Image:
    """The picture in some bytes."""
    return Image.open(io.BytesIO(data))


def test_a_preview_is_small_and_keeps_its_shape(paint: Paint) -> None:
    """A large picture becomes a WebP of at most 512 pixels a side, in the same proportions."""
    small = preview(paint(size=(2048, 1024)))

    assert (small.width, small.height, small.content_type) == (512, 256, "image/webp")
    assert (small.full_width, small.full_height) == (2048, 1024)
    assert decoded(small.data).size == (512, 256)


def test_a_small_picture_is_not_blown_up(paint: Paint) -> None:
    """An icon stays as small as it is."""
    assert preview(paint(size=(16, 12))).width == 16


@pytest.mark.parametrize("content_type", ["image/webp", "image/jpeg"])
def test_even_noise_fits_into_the_limit(paint: Paint, content_type: str) -> None:
    """A picture that compresses badly still takes at most 60 kB of the notebook."""
    assert len(preview(paint(size=(1024, 1024), noise=True), content_type=content_type).data) <= 60_000


def test_what_is_see_through_stays_so(paint: Paint) -> None:
    """A sticker with a transparent background keeps it."""
    small = preview(paint(mode="RGBA"))

    assert decoded(small.data).convert("RGBA").getpixel((0, 0)) == (0, 0, 0, 0)


def test_without_transparency_the_ground_is_white(paint: Paint) -> None:
    """Where a format knows no transparency, a see-through picture stands on white, not on black."""
    small = preview(paint(mode="RGBA"), content_type="image/jpeg")

    assert decoded(small.data).getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "I;16"])
@pytest.mark.filterwarnings("ignore:'mode' parameter")
def test_pictures_of_every_mode_can_be_previewed(tmp_path: Path, mode: str) -> None:
    """Grey, indexed, print and sixteen-bit pictures are previewed too."""
    path = tmp_path / "a.tiff"
    Image.new(mode, (20, 20)).save(path)

    assert preview(path).width == 20


def test_sixteen_bits_keep_their_brightness(tmp_path: Path) -> None:
    """A depth map in mid grey is shown in mid grey."""
    path = tmp_path / "depth.png"
    Image.new("I;16", (20, 20), 32768).save(path)

    level = decoded(preview(path).data).convert("L").getpixel((5, 5))

    assert isinstance(level, (int, float))
    assert abs(level - 128) < 4


def test_a_photograph_stands_upright(tmp_path: Path) -> None:
    """A photograph that a camera took sideways is turned, and so is its stated size."""
    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (800, 400)).save(path, exif=exif)

    small = preview(path)

    assert (small.width, small.height, small.full_width, small.full_height) == (256, 512, 400, 800)


def test_a_bomb_is_refused(paint: Paint, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that would unpack to gigabytes is refused with a reason instead of being decoded."""
    path = paint(size=(400, 300))
    for limit in (100_000, 10_000):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)

        with pytest.raises(MediaError, match="too many pixels"):
            preview(path, 511)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a picture",
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        b"<html><script>alert(1)</script>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b"\x89PNG\r\n\x1a\n" + b"\x00" * 40,
    ],
)
def test_what_is_no_picture_is_never_shown_as_one(data: bytes) -> None:
    """Whatever its name says, only real pictures are put into the notebook."""
    with pytest.raises(MediaError):
        preview(data)


def test_nothing_is_handed_to_other_programs() -> None:
    """A PostScript file is not a picture here, because showing it would run a program."""
    with pytest.raises(MediaError, match="not a picture"):
        preview(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n%%EOF\n")


def test_a_cut_off_picture_says_that_it_is_damaged(paint: Paint) -> None:
    """Half a file is reported as damaged."""
    data = paint(noise=True).read_bytes()

    with pytest.raises(MediaError, match="damaged"):
        preview(data[: len(data) // 2])


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    """A file that was deleted is reported with the reason."""
    with pytest.raises(MediaError, match="cannot be read"):
        preview(tmp_path / "gone.png")


def test_a_changed_file_gets_a_new_preview(paint: Paint) -> None:
    """After a file is overwritten its preview shows the new picture."""
    assert preview(paint(size=(40, 30))).width == 40
    assert preview(paint(size=(50, 30))).width == 50


def animated(path: Path, frames: int = 6, size: tuple[int, int] = (300, 200), *, noise: bool = False) -> Path:
    """Write an animation of that many frames, in the format that its name says."""
    made = [
        Image.effect_noise(size, 100).convert("RGB")
        if noise
        else Image.new("RGB", size, (40 * number % 256, 9, 9))
        for number in range(frames)
    ]
    made[0].save(path, save_all=True, append_images=made[1:], duration=80, loop=0)
    return path


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.avif"])
def test_a_short_animation_moves_in_its_preview(tmp_path: Path, name: str) -> None:
    """A few frames that fit into the notebook are all there, encoded anew."""
    small = preview(animated(tmp_path / name))

    assert small.animated
    assert (decoded(small.data).format, getattr(decoded(small.data), "n_frames", 1)) == ("WEBP", 6)
    assert (small.width, small.full_width) == (300, 300)
    assert len(small.data) <= 60_000


def test_a_long_or_heavy_animation_is_its_first_frame(tmp_path: Path) -> None:
    """What does not fit stands still, and is known to be an animation; nothing moves in a line of text."""
    long = preview(animated(tmp_path / "long.gif", 60))
    heavy = preview(animated(tmp_path / "heavy.gif", noise=True))
    little = preview(animated(tmp_path / "little.gif"), 96)

    for small in (long, heavy, little):
        assert small.animated
        assert getattr(decoded(small.data), "n_frames", 1) == 1
        assert len(small.data) <= 60_000


def test_a_damaged_animation_is_its_first_frame(tmp_path: Path) -> None:
    """When a later frame is broken, the first one is shown all the same."""
    data = animated(tmp_path / "a.gif", noise=True).read_bytes()
    small = preview(data[: len(data) * 2 // 3])

    assert getattr(decoded(small.data), "n_frames", 1) == 1


def test_pages_are_not_an_animation(tmp_path: Path) -> None:
    """A document of several pages does not move."""
    assert not preview(animated(tmp_path / "a.tiff")).animated
