from __future__ import annotations

import json
import os
import shutil
import stat
from typing import TYPE_CHECKING

import pytest
from PIL import Image, features

import nbkit
from nbkit.errors import MediaError
from nbkit.model.media import Media
from nbkit.model.result import Result

if TYPE_CHECKING:
    from pathlib import Path

FORMS = {"x.png": "PNG", "x.jpg": "JPEG", "x.webp": "WEBP", "x.gif": "GIF", "x.avif": "AVIF"}
OTHERS = {
    "x.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "x.mp4": b"\0\0\0\x18ftypmp42",
    "x.wav": b"RIFF\x24\0\0\0WAVEfmt ",
    "x.glb": b"glTF\2\0\0\0",
    "x": b"what is it",
    "empty.png": b"",
    "cut.png": b"\x89PNG\r\n\x1a\n\0\0",
}


def result_of(path: Path, prompt: str = "a cat") -> Media:
    """A file of a run."""
    media = Media(f"https://a/{path.name}", path=path, width=8, height=6)
    return Result({}, endpoint="a/b", input={"prompt": prompt}, request_id="r-1", media=(media,)).media[0]


def kept(folder: Path, name: str) -> Path:
    """A file as a service gave it."""
    path = folder / f"kept-{name}"
    if name in FORMS:
        Image.effect_noise((8, 6), 90).convert("RGB").save(path, FORMS[name])
    else:
        path.write_bytes(OTHERS[name])
    return path


@pytest.mark.parametrize("name", [*FORMS, *OTHERS])
def test_every_saved_file_has_its_recipe(name: str, tmp_path: Path) -> None:
    """A saved file of any kind tells how it was made, itself or by the file beside it; the kept one stays as it is."""
    if name == "x.avif" and not features.check("avif"):
        pytest.skip("this Pillow writes no AVIF")
    source = kept(tmp_path, name)
    before = source.read_bytes()
    saved = result_of(source).save(tmp_path / name)
    sidecar = tmp_path / f"{name}.json"
    recipe = nbkit.read_recipe(saved)

    assert recipe is not None
    assert (recipe.endpoint, recipe.input, recipe.request_id) == ("a/b", {"prompt": "a cat"}, "r-1")
    assert source.read_bytes() == before
    assert sidecar.exists() == (saved.read_bytes() == before)
    if name in ("x.png", "x.jpg", "x.webp"):
        assert not sidecar.exists()
        assert nbkit.read_recipe(saved.read_bytes()) == recipe
        with Image.open(source) as old, Image.open(saved) as new:
            assert old.tobytes() == new.tobytes()


def test_a_file_can_be_saved_as_it_came(tmp_path: Path) -> None:
    """Without its recipe a copy has the same bytes, and none is written beside it."""
    source = kept(tmp_path, "x.png")
    saved = result_of(source).save(tmp_path / "y.png", recipe=False)

    assert saved.read_bytes() == source.read_bytes()
    assert nbkit.read_recipe(saved) is None
    assert not (tmp_path / "y.png.json").exists()


def test_a_file_of_no_run_is_only_copied(tmp_path: Path) -> None:
    """What did not come from a run has no recipe."""
    source = kept(tmp_path, "x.png")
    media = Media("https://a/b.png", path=source)

    assert media.save(tmp_path / "y.png").read_bytes() == source.read_bytes()
    assert nbkit.read_recipe(media) is None


def test_a_result_knows_the_recipe_without_saving(tmp_path: Path) -> None:
    """The recipe of a file of a result is at hand."""
    recipe = nbkit.read_recipe(result_of(kept(tmp_path, "x.gif"), "a dog"))

    assert recipe is not None
    assert recipe.input == {"prompt": "a dog"}


def test_a_file_of_somebody_is_not_replaced_by_a_recipe(tmp_path: Path) -> None:
    """Where another file has the name of the recipe, nothing is written, and the message tells what to do."""
    (tmp_path / "x.gif.json").write_text('{"frames": []}')
    with pytest.raises(MediaError, match=r"x\.gif\.json stands where") as caught:
        result_of(kept(tmp_path, "x.gif")).save(tmp_path / "x.gif")

    assert "recipe=False" in caught.value.hint
    assert not (tmp_path / "x.gif").exists()
    assert (tmp_path / "x.gif.json").read_text() == '{"frames": []}'


def test_a_recipe_beside_a_file_goes_with_it(tmp_path: Path) -> None:
    """A file that takes another's place takes the place of its recipe, too."""
    result_of(kept(tmp_path, "x.gif"), "old").save(tmp_path / "y")
    result_of(kept(tmp_path, "x.gif"), "new").save(tmp_path / "y")
    assert json.loads((tmp_path / "y.json").read_text())["input"] == {"prompt": "new"}

    result_of(kept(tmp_path, "x.png"), "newest").save(tmp_path / "y")
    recipe = nbkit.read_recipe(tmp_path / "y")
    assert recipe is not None
    assert recipe.input == {"prompt": "newest"}
    assert not (tmp_path / "y.json").exists()


def test_a_kept_file_is_not_written_through_its_links(tmp_path: Path) -> None:
    """Saving over a link to a kept file replaces the link; saving a file over itself is refused."""
    source = kept(tmp_path, "x.png")
    before = source.read_bytes()
    os.link(source, tmp_path / "linked.png")
    result_of(source).save(tmp_path / "linked.png")

    with pytest.raises(shutil.SameFileError):
        result_of(source).save(source)
    assert source.read_bytes() == before
    assert nbkit.read_recipe(tmp_path / "linked.png") is not None


def test_a_save_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    """There is no half file, under no name."""
    source = kept(tmp_path, "x.png")
    (tmp_path / "taken.png").mkdir()
    (tmp_path / "taken.png" / source.name).mkdir()
    with pytest.raises(OSError, match="directory"):
        Media("https://a/b.png", file_name=source.name, path=source).save(tmp_path / "taken.png")

    assert [path.name for path in (tmp_path / "taken.png").iterdir()] == [source.name]


def test_a_saved_file_is_readable_like_any_other(tmp_path: Path) -> None:
    """Its permissions are those of files that programs write."""
    saved = result_of(kept(tmp_path, "x.png")).save(tmp_path / "y.png")
    (tmp_path / "other").write_text("")

    assert stat.S_IMODE(saved.stat().st_mode) == stat.S_IMODE((tmp_path / "other").stat().st_mode)


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """A wrong path is told as one."""
    with pytest.raises(MediaError, match="cannot be read"):
        nbkit.read_recipe(tmp_path / "nothing.png")
