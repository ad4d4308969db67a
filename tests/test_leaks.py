from __future__ import annotations

import base64
import io
import json
import os
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from PIL import Image, PngImagePlugin

from nbkit.cli import main
from nbkit.errors import InputError
from nbkit.leaks import Leak, scan

if TYPE_CHECKING:
    from pathlib import Path

FAL = "1a2b3c4d-1111-2222-3333-0a1b2c3d4e5f:00112233445566778899aabbccddee9f"
MASKED = "1a2b…:…9f"
OWN = "plain-words-only"


def picture(form: str, **options: Any) -> bytes:
    """A small picture."""
    buffer = io.BytesIO()
    Image.new("RGB", (4, 3)).save(buffer, form, **options)
    return buffer.getvalue()


def png(*, packed: bool = False) -> bytes:
    """A picture with a key in a text."""
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", f"a cat with {FAL}", zip=packed)
    return picture("PNG", pnginfo=info)


def exif(value: str) -> bytes:
    """EXIF with a comment."""
    made = Image.Exif()
    made.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + value.encode("utf-16-be")
    return made.tobytes()


def camera(value: str) -> bytes:
    """EXIF whose texts stand one behind the other."""
    made = Image.Exif()
    made[0x010F], made[0x0110] = "Camera", value
    return made.tobytes()


def notebook(**cell: Any) -> bytes:
    """A notebook whose second cell is given."""
    first = {"cell_type": "markdown", "metadata": {}, "source": ["# A title\n"]}
    second = {"cell_type": "code", "metadata": {}, "source": [], "outputs": [], **cell}
    return json.dumps({"cells": [first, second], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()


def bundle(inside: bytes, name: str = "inside.txt") -> bytes:
    """A zip with one file in it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(name, inside)
    return buffer.getvalue()


shown = {
    "output_type": "display_data",
    "metadata": {},
    "data": {"image/png": base64.b64encode(png()).decode()},
}
stream = {"output_type": "stream", "name": "stdout", "text": ["one\n", f"key={FAL}\n"]}
FILES = {
    "a.txt": (f"one\ntwo {FAL}\n".encode(), "line 2"),
    "wide.txt": (f"one\n{FAL}".encode("utf-16"), "line 2"),
    ".env": (f"FAL_KEY={FAL}".encode(), "line 1"),
    "source.ipynb": (notebook(source=["x = 1\n", f"key = '{FAL}'"]), "cell 2, source"),
    "split.ipynb": (notebook(source=[FAL[:20], FAL[20:]]), "cell 2, source"),
    "output.ipynb": (notebook(outputs=[shown | {"data": {}}, stream]), "cell 2, output 2"),
    "shown.ipynb": (notebook(outputs=[shown]), "cell 2, output 1"),
    "metadata.ipynb": (notebook(metadata={"nbkit": {"deep": [{"key": FAL}]}}), "cell 2, metadata"),
    "broken.ipynb": (b"{\n" + FAL.encode(), "line 2"),
    "a.png": (png(), "parameters"),
    "packed.png": (png(packed=True), "parameters"),
    "exif.png": (picture("PNG", exif=exif(FAL)), "EXIF"),
    "ascii.jpg": (picture("JPEG", exif=camera(FAL)), "EXIF"),
    "a.jpg": (picture("JPEG", exif=exif(FAL)), "EXIF"),
    "xmp.jpg": (picture("JPEG", xmp=f"<x>{FAL}</x>".encode()), "XMP"),
    "a.webp": (picture("WEBP", exif=exif(FAL)), "EXIF"),
    "xmp.webp": (picture("WEBP", xmp=f"<x>{FAL}</x>".encode()), "XMP"),
    "behind.png": (picture("PNG") + b"\n" + FAL.encode(), "among its bytes"),
    "a.gif": (picture("GIF", comment=f"a {FAL}".encode()), "among its bytes"),
    "a.mp4.json": (json.dumps({"nbkit": 1, "endpoint": "a/b", "input": {"prompt": FAL}}).encode(), "line 1"),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("packed", [0, 1, 2])
def test_a_key_is_found_in_every_kind_of_file(name: str, packed: int, tmp_path: Path) -> None:
    """Notebooks, texts, pictures, recipes, and all of these in bundles: file and place are told, and once."""
    data, place = FILES[name]
    for inner in (name, "inner.zip")[:packed]:
        data = bundle(data, inner)
    file = tmp_path / ("outer.zip" if packed else name)
    file.write_bytes(data)
    inside = {0: "", 1: f"/{name}", 2: f"/inner.zip/{name}"}[packed]

    assert scan(tmp_path).leaks == [Leak(f"{file}{inside}", place, "fal key", MASKED)]


def test_a_key_of_this_machine_is_found_in_any_shape(tmp_path: Path) -> None:
    """A known key is found although nothing in its shape tells that it is one."""
    (tmp_path / "a.py").write_text(f"login('{OWN}')")
    (found,) = scan(tmp_path, [OWN]).leaks

    assert found.kind == "key of this machine"
    assert OWN not in repr(found)


def test_what_is_not_looked_at_is_said(tmp_path: Path) -> None:
    """Folders of tools are left out, files that cannot be read are named, and neither hides the rest."""
    for name in (".git", "node_modules", ".venv"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text(FAL)
    (tmp_path / "broken.zip").write_bytes(bundle(b"x" * 500)[:-1].replace(b"PK\x01\x02", b"PK\x09\x09"))
    (tmp_path / "locked.zip").write_bytes(
        bundle(b"x").replace(b"PK\x03\x04\x14\0\0\0", b"PK\x03\x04\x14\0\x01\0")
    )
    (tmp_path / "z.txt").write_text(FAL)
    report = scan(tmp_path)

    assert [leak.file for leak in report.leaks] == [str(tmp_path / "z.txt")]
    skipped = [os.path.relpath(name, tmp_path) for name, _ in report.skipped]
    assert set(skipped) >= {".git", "node_modules", ".venv"}


def test_a_large_file_is_looked_at_to_a_limit_and_says_so(tmp_path: Path) -> None:
    """A file of any size ends, and the report tells that its rest was not seen."""
    with (tmp_path / "huge.bin").open("wb") as file:
        file.write(FAL.encode())
        file.truncate(300 * 2**20)
    report = scan(tmp_path)

    assert len(report.leaks) == 1
    assert report.skipped == [(str(tmp_path / "huge.bin"), "only its first 64 MiB were looked at")]


def test_a_clean_folder_is_clean(tmp_path: Path) -> None:
    """Ids, hashes, addresses and recipes with their request ids are no keys."""
    ids = "0f8fad5b-d9cb-469f-a165-70867728950e:7c9e6679-7425-40de-944b-e07fc1f90ae7\nsha256:" + "0af1" * 16
    (tmp_path / "a.md").write_text(f"{ids}\nsk-estimator-doc-link\nhttps://host/app-navigation-of-the-page")
    (tmp_path / "b.png").write_bytes(picture("PNG"))
    (tmp_path / "c.ipynb").write_bytes(notebook(source=["key = os.environ['FAL_KEY']"]))
    report = scan(tmp_path)

    assert (report.leaks, report.skipped) == ([], [])
    assert report.summary == "no key found in 3 files"


@given(
    st.binary(max_size=300),
    st.sampled_from(["a.ipynb", "a.png", "a.zip", "a.txt"]),
    st.sampled_from([*FILES]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
def test_no_file_stops_the_search(tmp_path: Path, data: bytes, name: str, other: str) -> None:
    """A folder with any file in it is searched to its end."""
    whole = bytearray(bundle(FILES[other][0]) if name == "a.zip" else FILES[other][0])
    whole[len(whole) // 2 : len(whole) // 2] = data
    (tmp_path / name).write_bytes(whole)
    (tmp_path / "z.txt").write_text(FAL)

    assert str(tmp_path / "z.txt") in [leak.file for leak in scan(tmp_path).leaks]


def test_a_path_that_leads_nowhere_is_an_error(tmp_path: Path) -> None:
    """A slip is not taken for a clean folder."""
    with pytest.raises(InputError, match="there is nothing at"):
        scan(tmp_path / "none")


def test_the_terminal_tells_by_its_exit_code(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`nbkit doctor --scan` can guard a commit: 1 where there is a key, which it does not print, else 0."""
    monkeypatch.setenv("SOME_TOKEN", OWN)
    assert main(["doctor", "--scan", str(tmp_path)]) == 0
    (tmp_path / "a\x1b[2J.txt").write_text(f"{FAL} and {OWN}")
    assert main(["doctor", "--scan", str(tmp_path)]) == 1
    said = capfd.readouterr().out

    assert MASKED in said
    assert "2 keys found in one file" in said
    assert FAL[9:] not in said
    assert OWN not in said
    assert "\x1b" not in said
    assert main(["doctor", "--scan", str(tmp_path / "none")]) == 1
