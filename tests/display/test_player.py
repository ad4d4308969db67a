from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from nbkit.display import figure
from nbkit.display.figure import Figure
from nbkit.display.player import player
from tests.display.test_injection import inspect

if TYPE_CHECKING:
    from pathlib import Path

MP4 = b"\x00\x00\x00\x20ftypisom" + bytes(40)
WEBM = b"\x1aE\xdf\xa3" + bytes(40)
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(40)
MP3 = b"ID3\x04" + bytes(40)
OGG = b"OggS" + bytes(40)
FLAC = b"fLaC" + bytes(40)


def made(folder: Path, name: str, data: bytes, content_type: str, original: str = "nbkit_files/a") -> Figure:
    """A file as a figure whose original lies beside the notebook."""
    path = folder / name
    path.write_bytes(data)
    return Figure(path, name=name, content_type=content_type, original=original)


@pytest.mark.parametrize(
    ("name", "data", "content_type", "tag"),
    [
        ("a.mp4", MP4, "video/mp4", "video"),
        ("a.mov", MP4, "", "video"),
        ("a.webm", WEBM, "video/webm", "video"),
        ("a.weba", WEBM, "audio/webm", "audio"),
        ("a.m4a", MP4, "audio/mp4", "audio"),
        ("a.wav", WAV, "audio/x-wav", "audio"),
        ("a.mp3", MP3, "audio/mpeg", "audio"),
        ("a.ogg", OGG, "audio/ogg", "audio"),
        ("a.flac", FLAC, "", "audio"),
        ("a.mp3", MP3, "video/mp4", "audio"),
    ],
)
def test_films_and_sounds_can_be_played(
    tmp_path: Path, name: str, data: bytes, content_type: str, tag: str
) -> None:
    """A film or a sound beside the notebook has controls, its name, and a link to the whole; nothing is embedded."""
    page = figure.grid([made(tmp_path, name, data, content_type)])

    assert f'<{tag} controls="" preload="metadata" src="nbkit_files/a"' in page
    assert f">{name}</a>" in page
    assert inspect(page).wrong == []
    assert len(page) < 1_000


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (b"<html><script>alert(1)</script>", "video/mp4"),
        (b"<svg onload='alert(1)'/>", "audio/mpeg"),
        (b"#!/bin/sh\nrm -rf /\n", "video/webm"),
        (b"PK\x03\x04" + MP4, "video/mp4"),
        (b"", "video/mp4"),
        (b"glTF\x02\x00\x00\x00", "model/gltf-binary"),
    ],
)
def test_what_only_says_that_it_is_a_film_is_a_name(tmp_path: Path, data: bytes, content_type: str) -> None:
    """Type and name are the service's word; what the bytes are decides."""
    page = figure.grid([made(tmp_path, "a.mp4", data, content_type)])

    assert "<video" not in page
    assert "<audio" not in page
    assert ">a.mp4</a>" in page


@pytest.mark.parametrize(
    "original",
    ["", "https://evil.example/a.mp4", "//evil.example/a", "/files/a", "../a.mp4", 'a" onerror="x'],
)
def test_nothing_is_played_from_elsewhere(tmp_path: Path, original: str) -> None:
    """Opening a notebook asks no other host: only what lies beside it has a player."""
    shown = made(tmp_path, "a.mp4", MP4, "video/mp4", original)

    assert player(shown) is None
    assert "<video" not in figure.grid([shown])


@given(st.binary(max_size=64), st.text(max_size=30), st.text(max_size=30))
def test_any_file_of_any_name_stays_inert(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, name: str, kind: str
) -> None:
    """No bytes, no name and no type make more of a page than names, pictures and players."""
    path = tmp_path_factory.mktemp("any") / "a"
    path.write_bytes(data)
    shown = Figure(path, name=name, caption=name, content_type=kind, original="nbkit_files/a")

    assert inspect(figure.grid([shown])).wrong == []


def test_a_file_that_is_gone_is_a_name(tmp_path: Path) -> None:
    """A film whose copy was deleted is named, and shows no error."""
    page = figure.grid(
        [Figure(tmp_path / "a.mp4", name="a.mp4", content_type="video/mp4", original="x/a.mp4")]
    )

    assert ">a.mp4</a>" in page
