from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PIL import Image

from nbkit.display import figure
from nbkit.display.figure import Figure

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.display.conftest import Paint


def test_a_picture_is_shown_small_with_its_size_and_a_link_to_the_whole(paint: Paint) -> None:
    """A picture has alternative text, fixed width and height, and opens the original."""
    page = figure.grid([Figure(paint(size=(1024, 768)), caption="images.0", original="nbkit_files/a.png")])

    assert '<a href="nbkit_files/a.png"' in page
    assert 'alt="images.0, 1024 by 768 pixels" width="512" height="384"' in page
    assert "data:image/webp;base64," in page


def test_what_is_see_through_stands_on_checks(paint: Paint) -> None:
    """A cutout with dark lines can be seen on a dark theme, and shows where it is transparent."""
    assert "conic-gradient" in figure.grid([Figure(paint(mode="RGBA"))])
    assert "conic-gradient" not in figure.grid([Figure(paint(mode="RGB"))])


def test_many_pictures_are_smaller_than_one(paint: Paint) -> None:
    """Sixteen pictures stay a light grid."""
    one = Figure(paint(size=(512, 512)))

    assert 'width="512"' in figure.grid([one])
    assert 'width="256"' in figure.grid([one] * 4)
    assert 'width="176"' in figure.grid([one] * 16)


def test_the_roughest_pictures_share_the_room_of_a_card(tmp_path: Path) -> None:
    """Sixteen pictures of pure noise, which nothing makes small, are shown within 300 kB."""
    path = tmp_path / "noise.png"
    Image.merge("RGB", [Image.effect_noise((600, 600), 200) for _ in "rgb"]).save(path)
    page = figure.grid([Figure(path, caption=f"images.{index}") for index in range(16)])

    assert page.count("data:image/") == 16
    assert len(page) < 300_000


def test_a_very_large_batch_names_the_rest(paint: Paint) -> None:
    """Of a hundred pictures the first two dozen are shown and the others named."""
    page = figure.grid([Figure(paint(size=(20, 20)), name=f"{number}.png") for number in range(100)])

    assert page.count("<img") == 24
    assert "99.png" in page


def test_other_media_are_links(tmp_path: Path) -> None:
    """A film is a link with its name, type and size."""
    path = tmp_path / "a.mp4"
    path.write_bytes(b"x" * 2_500)
    page = figure.grid([Figure(path, name="a.mp4", content_type="video/mp4", original="nbkit_files/a.mp4")])

    assert ">a.mp4</a>" in page
    assert "video/mp4 · 2 kB" in page
    assert "not shown" not in page


def test_a_missing_file_says_why() -> None:
    """A picture that could not be downloaded leaves its name and the reason."""
    missing = Figure(name="a.png", content_type="image/png", problem="the link has expired")

    assert "a.png" in figure.grid([missing])
    assert "not shown: the link has expired" in figure.grid([missing])
    assert "not on this machine: the link has expired" in figure.text([missing])


def test_a_lying_file_is_not_put_into_the_page(tmp_path: Path) -> None:
    """A page that calls itself a picture is named, not shown."""
    path = tmp_path / "a.png"
    path.write_text("<svg onload=alert(1)>")
    page = figure.grid([Figure(path, name="a.png", content_type="image/png")])

    assert "<img" not in page
    assert "not a picture" in page


def test_an_animation_says_so(tmp_path: Path) -> None:
    """The caption tells that a picture moves, also where only its first frame is shown."""
    frames = [Image.new("L", (300, 200), level) for level in (0, 90)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    page = figure.grid([Figure(tmp_path / "a.gif", caption="video")])

    assert "300 × 200 · animated" in page
    assert "data:image/webp" in page


def test_pictures_of_a_table_weigh_little(tmp_path: Path) -> None:
    """A table of fifty pictures stays below half a megabyte, whatever they are."""
    noise = tmp_path / "a.png"
    Image.effect_noise((800, 800), 200).save(noise)

    assert len(figure.thumbnail(Figure(noise))) < 10_000


def test_a_signed_address_is_not_saved(paint: Paint) -> None:
    """An address whose query carries a signature is not written into the notebook."""
    signed = Figure(paint(), url="https://files.example.com/a.png?sign=secret")

    assert "secret" not in figure.grid([signed]) + figure.text([signed])
    assert 'href="https://files.example.com/a.png"' in figure.grid([replace(signed, url=signed.url[:-12])])


def test_paths_begin_at_the_home_folder(paint: Paint, monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook that is passed on does not tell the name of who made it."""
    picture = Figure(paint())
    assert picture.path
    monkeypatch.setenv("HOME", str(picture.path.parent))

    assert f"~/{picture.path.name}" in figure.text([picture])
    assert str(picture.path.parent) not in figure.text([picture])
