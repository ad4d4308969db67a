from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import nbkit
from nbkit.errors import InputError, MediaError
from nbkit.experiments import Pinned
from tests.experiments.queue_service import ENDPOINT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.experiments.queue_service import QueueService

SEEDED = {"prompt": "a cat", "seed": 7}


@pytest.fixture
def saved(client: nbkit.Client, tmp_path: Path) -> Path:
    """A pinned request with its picture."""
    return Pinned([client.subscribe(ENDPOINT, SEEDED)], client=client).save(tmp_path / "pins.json")


def changed(path: Path, **request: Any) -> Path:
    """The file, with something else in its request."""
    document = json.loads(path.read_text())
    document["requests"][0] |= request
    path.write_text(json.dumps(document))
    return path


def test_what_changed_is_told(saved: Path, client: nbkit.Client, service: QueueService) -> None:
    """On another day the same request is sent, and its picture laid beside the one that was kept."""
    pinned = Pinned.read(saved, client=client)
    found = pinned.check()

    assert len(list((saved.parent / "pins_files").iterdir())) == 1
    assert service.inputs == [SEEDED, SEEDED]
    assert (found.verdict, len(found)) == ("different", 1)
    assert "pixel by pixel" in found[0]["problem"], "both pictures were opened"
    assert found.title.startswith(f"pinned {pinned.date}: 0 of 1 as they were")
    assert "SECRET" not in saved.read_text()


def test_a_local_model_does_not_drift(tmp_path: Path) -> None:
    """The embedded composer gives today what it gave when it was pinned."""
    with nbkit.Client("local") as client:
        result = client.subscribe("local/collage", SEEDED | {"image_size": {"width": 128, "height": 128}})
        Pinned([result], client=client).save(tmp_path / "pins.json")
        pinned = Pinned.read(tmp_path / "pins.json", client=client)
        found = pinned.check()
        pinned.schemas["local/collage"] = "0" * 64
        later = pinned.check()

    assert found.verdict == "identical bytes"
    assert "1 of 1 as they were" in found.title
    assert "schema changed: local/collage" in later.title


def test_a_kept_file_that_was_changed_is_not_compared(saved: Path, client: nbkit.Client) -> None:
    """The hash in the file decides which picture is the one that was kept."""
    (kept,) = (saved.parent / "pins_files").iterdir()
    kept.unlink()
    kept.write_bytes(b"something else")
    row = Pinned.read(saved, client=client).check()[0]

    assert row["verdict"] == "different"
    assert "a file is gone" in row["problem"]


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"input": {"image_url": "/etc/passwd"}}, "names a file of this machine: '/etc/passwd'"),
        ({"input": {"a": [{"mask_urls": ["secret.txt"]}]}}, "names a file of this machine"),
        ({"endpoint": 7}, "request 1 is none"),
        ({"input": []}, "request 1 is none"),
        (
            {"files": [{"place": "a", "sha256": "../../x", "content_type": "", "name": ""}]},
            "a file in it is none",
        ),
        ({"files": ["x"]}, "a file in it is none"),
    ],
)
def test_a_hostile_file_is_one_error(
    saved: Path, client: nbkit.Client, service: QueueService, told: Any, words: str
) -> None:
    """A file from elsewhere chooses no file of this machine, and nothing is sent for it."""
    with pytest.raises(InputError, match=words):
        Pinned.read(changed(saved, **told), client=client)
    assert service.posts == 1


def test_other_files_are_no_pins(tmp_path: Path, client: nbkit.Client) -> None:
    """What is no such file is one error; so is a name with another ending."""
    path = tmp_path / "pins.json"
    for content in (b"", b"\x89PNG", b"[" * 100_000, b'{"kind": "else"}'):
        path.write_bytes(content)
        with pytest.raises(InputError, match="holds no pinned requests"):
            Pinned.read(path, client=client)
    with pytest.raises(MediaError, match="cannot read"):
        Pinned.read(tmp_path / "none.json", client=client)
    with pytest.raises(InputError, match=r"written as \.json"):
        Pinned([], client=client).save(tmp_path / "pins.txt")
