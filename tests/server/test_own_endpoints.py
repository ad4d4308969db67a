from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from nbkit.errors import ConfigError
from nbkit.server.catalogue import Catalogue
from nbkit.server.code_store import CodeStore
from nbkit.server.own_endpoints import OwnEndpoints

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.server.conftest import CommandLine

FILE = '''
import functools, os, sys
import nbkit
from beside import WORD

print("imported", flush=True)

@functools.cache
def weights():
    return os.urandom(8).hex()

@nbkit.endpoint("me/shout", time_limit=30)
def shout(text: str, times: int = 1) -> str:
    """Says it louder."""
    return " ".join([text.upper() + WORD] * times)

@nbkit.endpoint("me/loaded")
def loaded() -> dict[str, str]:
    return {"weights": weights(), "folder": os.path.dirname(__file__), "server": str("uvicorn" in sys.modules)}

@nbkit.endpoint("me/wrong")
def wrong(text) -> str:
    return text
'''

ONE = """
@nbkit.endpoint('me/x')
def {name}() -> int:
    return 1
"""
TWICE = f"import nbkit\n{ONE.format(name='a')}{ONE.format(name='b')}"
POINTS = """[nbkit.endpoints]
one = mine_of_tests:one
all = mine_of_tests
broken = mine_of_tests:none
odd = json:dumps
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with three functions, one of them wrong, and a file beside it."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "beside.py").write_text("WORD = '!'\n")
    (folder / "my_models.py").write_text(FILE)
    return folder / "my_models.py"


def own(catalogue: Catalogue, folder: Path, *files: Path) -> OwnEndpoints:
    """The endpoints of some files."""
    return OwnEndpoints(files, catalogue, CodeStore(folder / "code"))


def run(url: str, name: str, given: dict[str, Any]) -> httpx.Response:
    """Call an endpoint directly."""
    return httpx.post(f"{url}/run/{name}", json=given, timeout=60, trust_env=False)


def until(condition: Callable[[], bool]) -> bool:
    """Wait for something that takes seconds."""
    deadline = time.monotonic() + 20
    while not (met := condition()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return met


def test_a_file_is_served_and_read_again_when_it_changes(
    serve: type[CommandLine], path: Path, tmp_path: Path
) -> None:
    """Its functions answer beside nbkit's own; a wrong one says so; an edit counts, a broken one does not."""
    command = serve("--port", "0", "--workers", "1", "--data-dir", str(tmp_path / "data"), str(path))
    url = command.url()
    try:
        assert run(url, "me/shout", {"text": "hey", "times": 2}).json() == {"output": "HEY! HEY!"}
        refused = run(url, "me/shout", {"times": "x"})
        assert (refused.status_code, [it["loc"] for it in refused.json()["detail"]]) == (
            422,
            [["body", "text"], ["body", "times"]],
        )
        first, second = run(url, "me/loaded", {}).json(), run(url, "me/loaded", {}).json()
        assert first == second
        assert (first["folder"], first["server"]) == (str(path.parent), "False")
        wrong = run(url, "me/wrong", {"text": "a"})
        assert (wrong.status_code, "'text' of wrong has no annotation" in wrong.json()["detail"]) == (
            500,
            True,
        )
        described = httpx.get(f"{url}/openapi.json?endpoint_id=me/shout", trust_env=False).json()
        assert described["info"]["description"] == "Says it louder."
        assert "me/shout" in [
            it["endpoint_id"] for it in httpx.get(f"{url}/api/v1/models", trust_env=False).json()["models"]
        ]

        path.write_text("syntax error here")
        time.sleep(1.5)
        assert run(url, "me/shout", {"text": "still"}).json() == {"output": "STILL!"}
        path.write_text(FILE.replace("text.upper()", "text.lower()").replace("me/loaded", "me/renamed"))
        assert until(lambda: run(url, "me/shout", {"text": "NOW"}).json() == {"output": "now!"})
        assert run(url, "me/loaded", {}).status_code == 404
        assert run(url, "me/renamed", {}).status_code == 200
        assert run(url, "local/collage", {"prompt": 3}).status_code == 422
    finally:
        code, errors = command.end()
    assert code == 0
    assert "line 1: SyntaxError" in errors
    assert "what it declared before stays" in errors
    assert "was read anew" in errors


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "import nbkit\n\nimport nothing_such\n",
            "my_models.py, line 3: ModuleNotFoundError: No module named 'nothing_such'",
        ),
        ("x = (", "my_models.py, line 1: SyntaxError"),
        ("import nbkit\n", "declares no endpoint"),
        ("import os\nos._exit(4)", "ended the process that imported it (exit code 4)"),
        ("import nbkit\nnbkit.endpoint('local/x')", "my_models.py, line 2: 'local/x' cannot be declared"),
        ("raise SystemExit(2)", "my_models.py, line 1: SystemExit: 2"),
        (TWICE, "declares me/x more than once"),
    ],
)
def test_a_file_that_cannot_be_served_is_told_in_one_line(
    path: Path, tmp_path: Path, text: str, says: str
) -> None:
    """What, and where."""
    path.write_text(text)
    catalogue = Catalogue([])

    with pytest.raises(ConfigError) as caught:
        own(catalogue, tmp_path, path).load()
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(catalogue) == []


def test_what_is_no_python_file_is_told(tmp_path: Path) -> None:
    """A notebook, a folder, and a pipe that would never end."""
    (tmp_path / "a.ipynb").write_text("{}")
    os.mkfifo(tmp_path / "pipe")

    for name, says in (("a.ipynb", "is a notebook"), ("", "is no file"), ("pipe", "is no file")):
        with pytest.raises(ConfigError, match=says):
            own(Catalogue([]), tmp_path, tmp_path / name).load()


def test_two_files_cannot_declare_the_same_id(tmp_path: Path) -> None:
    """Which of them would answer is not left to chance."""
    for name in ("one.py", "two.py"):
        (tmp_path / name).write_text(f"import nbkit\n{ONE.format(name='a')}")

    with pytest.raises(ConfigError, match=r"two\.py declares me/x, and so does .*one\.py"):
        own(Catalogue([]), tmp_path, tmp_path / "one.py", tmp_path / "two.py").load()


def test_the_command_line_says_so_and_ends(serve: type[CommandLine], tmp_path: Path) -> None:
    """A server that lacks what it was started for does not pretend."""
    command = serve("--port", "0", "--data-dir", str(tmp_path), str(tmp_path / "none.py"))
    _, errors = command.process.communicate(timeout=30)

    assert command.process.returncode == 1
    assert errors == f"nbkit serve: {tmp_path / 'none.py'} cannot be read: No such file or directory\n"


def test_a_file_that_never_ends_to_import_is_told(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is given some time, and then ended with all that it started."""
    monkeypatch.setattr("nbkit.server.own_endpoints._FILE_SECONDS", 1.5)
    path.write_text("import subprocess, time\nsubprocess.Popen(['sleep', '100'])\ntime.sleep(100)\n")

    with pytest.raises(ConfigError, match=r"took longer than 1\.5 s to import"):
        own(Catalogue([]), tmp_path, path).load()


def test_packages_bring_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An entry point names a function or a module; one that is broken is told, and keeps nobody."""
    package = tmp_path / "site"
    about = package / "mine-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(POINTS)
    (package / "mine_of_tests.py").write_text(
        "import nbkit\n@nbkit.endpoint('me/one')\ndef one() -> int:\n    return 1\n"
        "@nbkit.endpoint('me/two')\ndef two() -> int:\n    return 2\n"
    )
    monkeypatch.syspath_prepend(str(package))
    monkeypatch.setenv("PYTHONPATH", str(package), prepend=":")
    catalogue = Catalogue([])
    own(catalogue, tmp_path).load()
    told = caplog.text

    assert {it.id: it.model for it in catalogue} == {
        "me/one": "mine_of_tests:one",
        "me/two": "mine_of_tests:two",
    }
    assert "broken = mine_of_tests:none: AttributeError" in told
    assert "odd = json:dumps is no endpoint and no module" in told
    assert "mine_of_tests" not in sys.modules


def test_a_server_that_is_no_kernel_s_takes_no_functions(server: str) -> None:
    """There is no way to hand it code, with a key or without."""
    answer = httpx.put(f"{server}/declared", content=b"{}\n", trust_env=False)

    assert answer.status_code == 404


def test_a_memory_limit_is_a_size(serve: type[CommandLine], tmp_path: Path) -> None:
    """Text that is none ends the start with one line."""
    command = serve("--port", "0", "--data-dir", str(tmp_path), "--memory-limit", "lots")
    _, errors = command.process.communicate(timeout=30)

    assert command.process.returncode == 1
    assert errors.startswith("nbkit serve: --memory-limit is 'lots', which is no size")


async def test_old_versions_are_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook that declares a function again and again does not fill the disk."""
    monkeypatch.setattr("nbkit.server.own_endpoints._VERSIONS", 3)
    catalogue = Catalogue([])
    endpoints = own(catalogue, tmp_path)
    facts = dict.fromkeys(("title", "description", "category"), "") | {
        "id": "me/x",
        "input": {"title": "I"},
        "output": {"title": "O"},
        "resources": {},
        "time_limit": None,
        "memory_limit": None,
    }
    digests = [await endpoints.declare(facts, f"version {number}".encode()) for number in (0, 1, 2, 3, 1, 4)]

    assert catalogue.find("me/x").model == f"pickle:{digests[-1]}"
    assert {path.name for path in (tmp_path / "code").iterdir()} == {digests[3], digests[1], digests[5]}
