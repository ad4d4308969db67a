from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies

from nbkit.cli import main
from nbkit.cli.run import read_input
from nbkit.display.escape import without_harm
from nbkit.errors import InputError
from tests.scripted_server import answer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.scripted_server import ScriptedServer


def nbkit(scripted: ScriptedServer, *words: str) -> int:
    """Call the scripted service from the command line; gives the exit code."""
    return main(["run", "acme/imgen", "--base-url", scripted.origin, *words])


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_options_may_stand_anywhere(scripted: ScriptedServer, capsys: pytest.CaptureFixture[str]) -> None:
    """Input before and behind options is input; an option that does not exist is refused."""
    scripted.queue()
    assert nbkit(scripted, "a=1", "--seed", "2", "b=3", "--json", "c=4") == 0
    assert scripted.requests("POST")[0].json == {"a": 1, "b": 3, "c": 4, "seed": 2}

    with pytest.raises(SystemExit) as caught:
        nbkit(scripted, "a=1", "--sed", "2", "b=3")
    assert caught.value.code == 2
    assert "--sed" in capsys.readouterr().err


def test_pictures_are_saved_and_nothing_is_written_over(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The real server makes pictures; each is saved under a name of its own, and stdout has their paths alone."""
    out = tmp_path / "new" / "pictures"
    command = ["run", "local/collage", "prompt=a cat", "num_images=2", "--seed", "7", "--out", str(out)]

    assert [main(command), main(command)] == [0, 0]

    printed, progress = capfd.readouterr()
    paths = printed.splitlines()
    assert len(set(paths)) == 4
    assert sorted(paths) == sorted(str(path) for path in out.iterdir())
    assert progress == ""


def test_values_are_typed_and_sent_once(scripted: ScriptedServer, capsys: pytest.CaptureFixture[str]) -> None:
    """Numbers, JSON and text go out as such, and the output comes out as JSON."""
    scripted.queue(output={"words": "a\x1b[31m cat ☂", "n": 3})
    words = ["prompt=a = b", "n=3", 'size={"width": 5}', "ratio=16:9", "on=true", "at=@@me", "--seed", "4"]

    assert nbkit(scripted, *words) == 0

    (sent,) = scripted.requests("POST")
    assert sent.json == {
        "prompt": "a = b",
        "n": 3,
        "size": {"width": 5},
        "ratio": "16:9",
        "on": True,
        "at": "@me",
        "seed": 4,
    }
    printed = capsys.readouterr().out
    assert json.loads(printed) == {"words": "a\x1b[31m cat ☂", "n": 3}
    assert "\x1b" not in printed


def test_aliases_and_defaults_are_used(
    scripted: ScriptedServer, capsys: pytest.CaptureFixture[str], in_folder: Path
) -> None:
    """The project's short names and defaults count in a terminal, too, after what is typed; slips in them are told."""
    (in_folder / "pyproject.toml").write_text(
        "[tool.nbkit]\nshwo = 'all'\n[tool.nbkit.alias]\nhero = 'acme/imgen -n 4 -p style=ink'\n"
        "[tool.nbkit.defaults.'acme/imgen']\nstyle = 'oil'\nsteps = 8\n"
    )
    scripted.queue()

    assert main(["run", "hero", "num_images=2", "--base-url", scripted.origin]) == 0
    assert scripted.requests("POST")[0].json == {"steps": 8, "num_images": 2, "style": "ink"}
    assert "did you mean show?" in capsys.readouterr().err


def test_json_tells_the_whole_result(scripted: ScriptedServer, capsys: pytest.CaptureFixture[str]) -> None:
    """With `--json` one object holds the output and the request's id."""
    scripted.queue(output={"seed": 5})

    assert nbkit(scripted, "--json", "prompt=a") == 0

    told = json.loads(capsys.readouterr().out)
    assert (told["output"], told["request_id"], told["files"]) == ({"seed": 5}, "r1", [])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["prompt"], "'prompt' is not KEY=VALUE"),
        (["=a"], "'=a' is not KEY=VALUE"),
        (["a=1", "a=2"], "'a' is given twice"),
        (["seed=1", "--seed", "2"], "'seed' is given twice"),
        (["image_url=@nowhere.png"], "image_url: there is no file 'nowhere.png'"),
        (["size={width: 5}"], "not valid JSON"),
        (["a=1", "--out", "taken/below"], "cannot be a folder"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_it_is_sent(
    words: list[str],
    said: str,
    scripted: ScriptedServer,
    capsys: pytest.CaptureFixture[str],
    in_folder: Path,
) -> None:
    """A slip is exit code 2 and one message, and nothing goes out."""
    (in_folder / "taken").write_text("a file")

    assert nbkit(scripted, *words) == 2
    assert said in capsys.readouterr().err
    assert scripted.received == []


def test_a_failed_run_is_exit_code_1(scripted: ScriptedServer, capsys: pytest.CaptureFixture[str]) -> None:
    """What the service refuses fails the command, and stdout stays empty."""
    place = scripted.queue()
    scripted.on("GET", place, answer({"detail": "out of memory"}, 500))

    assert nbkit(scripted, "prompt=a") == 1

    shown = capsys.readouterr()
    assert shown.out == ""
    assert "out of memory" in shown.err


def test_a_lost_file_fails_the_command(scripted: ScriptedServer, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that could not be fetched is told, and is not left out silently."""
    scripted.queue(output={"image": {"url": f"{scripted.origin}/gone.png"}})
    scripted.on("GET", "/gone.png", answer(status=404))

    assert nbkit(scripted, "prompt=a") == 1
    assert "gone.png is not here" in capsys.readouterr().err


def test_an_interrupt_cancels_at_the_service(scripted: ScriptedServer) -> None:
    """Ctrl-C stops the run where it costs money; the exit code is the shell's own for it."""
    scripted.queue(statuses=[{"status": "IN_PROGRESS", "logs": []}])
    command = [sys.executable, "-m", "nbkit", "run", "acme/imgen", "a=1", "--base-url", scripted.origin]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        scripted.until(lambda: scripted.count("GET"), within=20)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=20)

    assert (running.returncode, out, err) == (130, "", "")
    assert scripted.count("PUT") == 1


@given(strategies.text(), strategies.text())
def test_any_words_are_read_or_refused(key: str, value: str) -> None:
    """Whatever is typed becomes an input or one of nbkit's own errors."""
    try:
        read = read_input([f"{key}={value}"])
    except InputError:
        return
    assert len(read) == 1


@given(strategies.text())
def test_printed_json_means_the_same(text: str) -> None:
    """What is kept from a terminal is still in the JSON."""
    value: Any = {text: [text]}
    printed = without_harm(json.dumps(value, ensure_ascii=False))

    assert json.loads(printed) == value
    assert all(character.isprintable() or character not in "\x1b\x9b\u202e" for character in printed)
