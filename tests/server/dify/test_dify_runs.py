"""Runs of the workflow apps: answered, streamed, recorded, stopped and refused as Dify does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from nbkit.wire.sse import Decoder
from tests.server.dify.conftest import ERAS

if TYPE_CHECKING:
    from tests.server.dify.conftest import Caller

each_era = pytest.mark.parametrize("era", ERAS)


def events(body: bytes) -> list[dict[str, Any]]:
    """The JSON of a stream's events; pings are none."""
    return [json.loads(sent.data) for sent in Decoder().feed(body)]


@each_era
def test_a_picture_comes_back_as_a_file_that_can_be_fetched_without_a_key(
    era: str, pictures: dict[str, Caller]
) -> None:
    """A blocking run answers with a file object; its address opens without a key."""
    answer = pictures[era].run({"prompt": "a cat", "seed": 7})
    data = answer.json()["data"]
    assert (answer.status_code, data["status"], data["outputs"]["seed"]) == (200, "succeeded", 7)
    assert answer.json()["task_id"] != answer.json()["workflow_run_id"] == data["id"]
    got = httpx.get(data["outputs"]["files"][0]["url"])
    assert (got.status_code, got.headers["content-type"]) == (200, "image/png")
    assert got.content.startswith(b"\x89PNG")
