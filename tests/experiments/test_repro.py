from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from PIL import Image

import nbkit
from nbkit import history
from nbkit.errors import ConfigError, InputError
from nbkit.experiments import reproducibility
from nbkit.model.result import Result
from tests.experiments.queue_service import ENDPOINT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.experiments.queue_service import QueueService

SEEDED = {"prompt": "a cat", "seed": 7}


def test_a_local_model_gives_the_same_bytes() -> None:
    """The embedded composer gives the same picture for the same seed, is billed by nobody, and that is kept."""
    with nbkit.Client("local") as client:
        result = client.subscribe("local/collage", SEEDED | {"image_size": {"width": 128, "height": 128}})
        found = nbkit.repro(result, 2, client=client)

    assert found.verdict == "identical bytes"
    assert (
        found.title
        == "local/collage: 2 × identical bytes · 2 more requests, on this machine, billed by nobody"
    )
    assert {row["request_id"] for row in found}.isdisjoint({result.request_id})
    (kept,) = reproducibility("local/collage")
    assert (kept["verdict"], kept["identical bytes"], kept["repeats"]) == ("identical bytes", 2, 2)
    assert len(kept["schema_sha256"]) == 64
    assert len(reproducibility("local/other")) == 0


def test_every_repeat_is_sent_and_told(client: nbkit.Client, service: QueueService) -> None:
    """Nothing is taken from the history; a service that draws anew each time is different, and the bill is told."""
    run = client.submit(ENDPOINT, SEEDED)
    found = nbkit.repro(run, client=client)

    assert service.posts == 4
    assert service.inputs == [SEEDED] * 4
    assert found.verdict == "different"
    assert "3 × different · 3 more requests, billed like any other: cost unknown" in found.title
    assert [row["file"] for row in found] == ["images.0"] * 3


def test_settings_that_reuse_do_not_hold_here(
    client: nbkit.Client, service: QueueService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Who set that equal requests are taken from the history gets new ones here; a replay is refused."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text('[tool.nbkit]\nreuse = "always"\n')
    result = client.subscribe(ENDPOINT, SEEDED)
    client.subscribe(ENDPOINT, SEEDED)
    assert service.posts == 1
    nbkit.repro(result, 2, client=client)
    assert service.posts == 3
    monkeypatch.setenv("NBKIT_MODE", "replay")
    with pytest.raises(ConfigError, match="a replay sends nothing again"):
        nbkit.repro(result, client=client)


def test_a_record_of_the_history_is_sent_again(client: nbkit.Client, service: QueueService) -> None:
    """What was kept whole can be sent; what was not is refused before anything is sent."""
    client.subscribe(ENDPOINT, SEEDED)
    record = history.search()[0]
    nbkit.repro(record, 1, client=client)
    assert service.inputs == [SEEDED] * 2

    client.subscribe(ENDPOINT, {"prompt": "cat " * 40_000, "seed": 1})
    with pytest.raises(InputError, match="did not keep its input whole"):
        nbkit.repro(history.search()[0], client=client)
    changed = replace(record, input={**record.input, "prompt": "***"})
    with pytest.raises(InputError, match="did not keep its input whole"):
        nbkit.repro(changed, client=client)
    assert service.posts == 3


def test_without_a_seed_nothing_is_sent(client: nbkit.Client, service: QueueService) -> None:
    """Another picture is no surprise then; who wants to know anyway says so."""
    result = client.subscribe(ENDPOINT, {"prompt": "a cat"})
    with pytest.raises(InputError, match=r"has no seed.*\n.*anyway=True"):
        nbkit.repro(result, client=client)
    assert service.posts == 1
    nbkit.repro(result, 1, client=client, anyway=True)
    assert service.posts == 2


def test_a_repeat_that_fails_is_told(client: nbkit.Client) -> None:
    """What went wrong stands in its row; the verdict is of those that came."""
    result = client.subscribe(ENDPOINT, SEEDED)
    client.close()
    with nbkit.Client(key="SECRET-xyz", base_url="http://127.0.0.1:9") as nowhere:
        found = nbkit.repro(result, 1, client=nowhere)

    assert (found.verdict, found[0]["verdict"]) == ("", "")
    assert found[0]["problem"]
    assert "1 × nothing came" in found.title


def test_outputs_without_files_are_compared() -> None:
    """Texts count, timings and addresses do not."""
    from nbkit.experiments.repro import Request, compared

    request = Request.of(Result({"text": "a", "timings": {"all": 1}}, "owner/app", SEEDED))
    same = Result({"text": "a", "timings": {"all": 2}}, "owner/app")

    assert compared(1, request, same)[0]["verdict"] == "identical bytes"
    assert compared(1, request, Result({"text": "b"}, "owner/app"))[0]["verdict"] == "different"


def test_what_is_no_run_is_one_error(client: nbkit.Client) -> None:
    """Pictures and numbers of requests that are none are told."""
    with pytest.raises(InputError, match="Image has no result"):
        nbkit.repro(Image.new("RGB", (8, 8)), client=client)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="n is at least 1"):
        nbkit.repro(Result({}, "owner/app", SEEDED), 0, client=client)
