"""A key in use stands nowhere: not in what is shown, said or kept. The whole way is gone, well and badly."""

from __future__ import annotations

import logging
import os
import pickle
import subprocess
import sys
import traceback
from typing import TYPE_CHECKING

import nbclient
import nbformat
import pytest

from nbkit import Client, NbkitError
from tests.scripted_server import answer, reset

if TYPE_CHECKING:
    from pathlib import Path

    from tests.scripted_server import ScriptedServer

SECRET = "d1stinctive-0123:s3cret-abcdef"
HALF = "s3cret-abcdef"
CELLS = [
    "%load_ext nbkit",
    "import logging, os, nbkit\nlogging.basicConfig(level=logging.DEBUG)",
    "client = nbkit.Client(base_url=os.environ['THEIR_ORIGIN'], key=os.environ['THEIR_KEY'])",
    "run = client.submit('acme/imgen', {'image': b'bytes', 'prompt': 'a cat'}, wait=True)\nresult = run.result()",
    "result",
    "run, run.events, run.input, vars(client), client._calls.session._key",
    "client.subscribe('acme/refused', {})",
    "client.subscribe('acme/lost', {})",
    "%xmode Verbose\nclient.subscribe('acme/refused', {})",
    "%nbkit config",
]


@pytest.fixture
def service(scripted: ScriptedServer) -> ScriptedServer:
    """A service that answers well, refuses, and breaks off."""
    place = {"upload_url": "/put/1?sig=abc", "file_url": f"{scripted.origin}/file"}
    scripted.on("POST", "/rest/storage/upload/initiate", answer(place))
    scripted.on("PUT", "/put/1", answer({}))
    scripted.on("GET", "/a.txt", answer(body=b"text", headers={"content-type": "text/plain"}))
    scripted.queue(output={"file": {"url": f"{scripted.origin}/a.txt"}})
    scripted.on("POST", "/queue/acme/refused", answer({"detail": "no"}, 401))
    scripted.on("POST", "/queue/acme/lost", reset)
    return scripted


def assert_nowhere(folder: Path) -> None:
    """No file below a folder holds the key."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    assert [path for path in files if HALF.encode() in path.read_bytes()] == []


def test_in_a_program(
    service: ScriptedServer,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Results, errors with their whole chain, logs of every library and files on the disk are without the key."""
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    with Client(base_url=service.origin, key=SECRET) as client:
        result = client.subscribe(
            "acme/imgen", {"image": b"bytes"}, on_event=lambda event: said.append(repr(event))
        )
        said += [repr(client), repr(result), str(result._repr_mimebundle_()), repr(pickle.dumps(result.data))]
        for endpoint in ("acme/refused", "acme/lost", "acme/unknown"):
            with pytest.raises(NbkitError) as caught:
                client.subscribe(endpoint, {"prompt": "x"})
            said += [str(caught.value), repr(vars(caught.value)), *traceback.format_exception(caught.value)]
        client.upload(b"other bytes")

    assert any(SECRET in str(request.headers) for request in service.received)
    assert not any(
        SECRET in str(request.headers) for request in service.received if request.path in ("/put/1", "/a.txt")
    )
    assert HALF not in "".join(said) + caplog.text + "".join(capfd.readouterr())
    assert_nowhere(tmp_path)


def test_in_a_notebook(service: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An executed notebook, with logs, tracebacks and failed cells, can be passed on."""
    monkeypatch.setenv("THEIR_ORIGIN", service.origin)
    monkeypatch.setenv("THEIR_KEY", SECRET)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    nbclient.NotebookClient(
        notebook, timeout=60, allow_errors=True, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    written = nbformat.writes(notebook)
    (tmp_path / "notebook.ipynb").write_text(written, encoding="utf-8")
    failed = [output for cell in notebook.cells for output in cell.outputs if output.output_type == "error"]

    assert [error.ename for error in failed] == ["ServiceError", "RunUnknown", "ServiceError"]
    assert "key from key=" in written
    assert_nowhere(tmp_path)


def test_on_the_command_line(tmp_path: Path) -> None:
    """No command prints the key that it finds."""
    environment = {**os.environ, "FAL_KEY": SECRET}
    said = b""
    for arguments in (["--help"], ["models"], ["connect", "fal"], ["--version"]):
        done = subprocess.run(
            [sys.executable, "-m", "nbkit", *arguments],
            capture_output=True,
            env=environment,
            check=False,
            input=b"",
        )
        said += done.stdout + done.stderr

    assert b"nbkit" in said
    assert HALF.encode() not in said
    assert not list(tmp_path.rglob("*key*"))
