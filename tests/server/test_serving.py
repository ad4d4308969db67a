"""Servers inside a process."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pytest

import nbkit
from nbkit.errors import ConfigError, InputError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_server_of_this_process_has_a_key_and_goes_with_its_block(tmp_path: Path) -> None:
    """Nobody without the key is let in, and afterwards nobody is there, nor any file."""
    with ThreadPoolExecutor(1) as executor, nbkit.serve(executor) as server:
        refused = httpx.post(f"{server.url}/run/local/collage", json={"prompt": "a cat"})
        result = server.client().run(
            "local/collage", {"prompt": "a cat", "image_size": {"width": 64, "height": 64}}
        )

    assert refused.status_code == 401
    assert result.images[0].width == 64
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{server.url}/health")
    assert list((tmp_path / "home").rglob("embedded/*")) == []


def test_a_sweep_takes_an_executor() -> None:
    """Without a word about servers."""
    with ThreadPoolExecutor(2) as executor:
        given = {"prompt": "a cat", "image_size": {"width": 64, "height": 64}}
        sweep = nbkit.Sweep("local/collage", given, {"seed": [1, 2, 3]}, executor=executor).run(show=False)

        with pytest.raises(InputError, match="not both"):
            nbkit.Sweep("local/collage", given, client=nbkit.Client(), executor=executor)

    assert sweep.counts == {"succeeded": 3}


@pytest.mark.parametrize("executor", [7, lambda: None, object()])
def test_what_is_no_executor_is_refused(executor: object) -> None:
    """In words that name what is."""
    with pytest.raises(ConfigError, match=r"no concurrent.futures.Executor"):
        nbkit.serve(executor)


def test_a_script_that_forgets_its_server_ends(tmp_path: Path) -> None:
    """The server does not outlive the process, leaves no folder and keeps it from nothing."""
    script = """
import nbkit
from concurrent.futures import ThreadPoolExecutor
server = nbkit.serve(ThreadPoolExecutor(1))
server.client().run("local/collage", {"prompt": "a cat", "image_size": {"width": 64, "height": 64}})
print("done")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
    assert list((tmp_path / "home").rglob("embedded/*")) == []
