from __future__ import annotations

import hashlib
import json
import stat
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from nbkit import history
from nbkit.cli import main
from nbkit.config import data_dir
from nbkit.errors import InputError, RunFailed
from nbkit.history.files import FileStore
from nbkit.model.event import Log, Output
from nbkit.model.media import Media
from tests.test_secrets import FAL as FAL_KEY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nbkit.history import RunRecord
    from tests.history.conftest import Record

    Edit = Callable[[dict[str, bytes]], None]

PICTURE = b"\x89PNG a picture"
CELL = "result = client.run('acme/imgen', {'prompt': 'a cat'})"


def kept(content: bytes, place: str = "images.0") -> Media:
    """A file in the store of this home."""
    incoming = FileStore(data_dir() / "files").incoming()
    incoming.write(content)
    stored = incoming.keep(".png")
    return Media(
        "https://x/cat.png",
        "image/png",
        size=stored.size,
        path=stored.path,
        sha256=stored.sha256,
        place=place,
    )


def write_notebook(path: Path, *runs: RunRecord, source: str = CELL) -> Path:
    """A notebook whose one cell shows the results of runs."""
    outputs = [
        {
            "output_type": "display_data",
            "data": {"text/html": f'<a href="nbkit_files/{hashlib.sha256(PICTURE).hexdigest()[:16]}.png">'},
            "metadata": run.result.facts() if run.result is not None else {},
        }
        for run in runs
    ]
    cell = {"cell_type": "code", "source": source, "metadata": {}, "outputs": outputs, "execution_count": 1}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return path


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    """Go to another machine, whose history is empty; returns a folder there."""

    def go() -> Path:
        monkeypatch.setenv("NBKIT_HOME", str(tmp_path / "elsewhere"))
        return tmp_path / "there"

    return go


@pytest.fixture
def bundle(record: Record, tmp_path: Path) -> Path:
    """A bundle of a notebook with one run, its picture and an original beside it."""
    events = (Log("working"), Output({"images": [{"url": "https://x/cat.png"}]}, media=(kept(PICTURE),)))
    run = record(output={"images": [{"url": "https://x/cat.png"}]}, media=(kept(PICTURE),), events=events)
    notebook = write_notebook(tmp_path / "here" / "cats.ipynb", run)
    original = notebook.parent / "nbkit_files" / f"{hashlib.sha256(PICTURE).hexdigest()[:16]}.png"
    original.parent.mkdir()
    original.write_bytes(PICTURE)
    history.pack(notebook)
    return notebook.with_suffix(".zip")


def facts(run: RunRecord) -> dict[str, Any]:
    """What a run is, whichever machine has it."""
    return {
        "id": run.id,
        "request_id": run.request_id,
        "input": run.input,
        "input_sha256": run.input_sha256,
        "state": run.state,
        "created": run.created,
        "error": run.error,
        "events": [(event, event.at) for event in run.events],
        "data": run.result.data if run.result is not None else None,
        "files": [media.bytes for media in run.media],
    }


def test_a_notebook_and_its_runs_go_to_another_machine(
    bundle: Path, elsewhere: Callable[[], Path], tmp_path: Path
) -> None:
    """What is unpacked is what was packed: the notebook, the runs with their events, and every byte of their files."""
    before = [facts(run) for run in history.search()]
    there = elsewhere()
    assert len(history.search()) == 0
    unpacked = history.unpack(bundle, there)

    assert [facts(run) for run in history.search()] == before
    assert (unpacked.runs, unpacked.known, unpacked.files) == (1, 0, 1)
    assert unpacked.notebook.read_bytes() == (tmp_path / "here" / "cats.ipynb").read_bytes()
    (original,) = (there / "nbkit_files").iterdir()
    assert original.read_bytes() == PICTURE


def test_unpacking_twice_changes_nothing(bundle: Path, elsewhere: Callable[[], Path]) -> None:
    """A bundle can be taken in again: what is there stays as it is, a star for example."""
    there = elsewhere()
    history.unpack(bundle, there)
    history.star(history.search()[0].id)
    again = history.unpack(bundle, there)

    assert (again.runs, again.known) == (0, 1)
    assert [run.starred for run in history.search()] == [True]


def test_another_notebook_is_not_written_over(bundle: Path, elsewhere: Callable[[], Path]) -> None:
    """A notebook of the same name keeps its work, and nothing is imported."""
    there = elsewhere()
    other = write_notebook(there / "cats.ipynb", source="mine")
    was = other.read_bytes()

    with pytest.raises(InputError, match="another notebook"):
        history.unpack(bundle, there)
    assert other.read_bytes() == was
    assert len(history.search()) == 0


def rewritten(bundle: Path, edit: Edit, *, honest: bool = True) -> Path:
    """The bundle with other contents; an honest one has their hashes in its manifest."""
    with zipfile.ZipFile(bundle) as old:
        entries = {name: old.read(name) for name in old.namelist()}
    edit(entries)
    if honest and "manifest.json" in entries:
        manifest = json.loads(entries["manifest.json"])
        manifest["entries"] = {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
            for name, data in entries.items()
            if name != "manifest.json"
        }
        entries["manifest.json"] = json.dumps(manifest).encode()
    changed = bundle.with_name("changed.zip")
    with zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as new:
        for name, data in entries.items():
            new.writestr(name, data)
    return changed


def of_run(**values: Any) -> Edit:
    """Other values in the row of the run."""

    def edit(entries: dict[str, bytes]) -> None:
        name = next(name for name in entries if name.startswith("runs/"))
        told = json.loads(entries[name])
        told["run"] |= values
        entries[name] = json.dumps(told).encode()

    return edit


def of_file(**values: Any) -> Edit:
    """Other values in the rows of the run's files."""

    def edit(entries: dict[str, bytes]) -> None:
        name = next(name for name in entries if name.startswith("runs/"))
        told = json.loads(entries[name])
        told["files"] = [file | values for file in told["files"]]
        entries[name] = json.dumps(told).encode()

    return edit


def with_entry(name: str, data: bytes = b"x") -> Edit:
    """One entry more."""
    return lambda entries: entries.update({name: data})


def without_manifest(entries: dict[str, bytes]) -> None:
    """No manifest."""
    del entries["manifest.json"]


HOSTILE: dict[str, Edit] = {
    "a path out of the folder": with_entry("../evil.ipynb"),
    "an absolute path": with_entry("/evil.ipynb"),
    "a path of Windows": with_entry("..\\evil.ipynb"),
    "a drive of Windows": with_entry("c:evil.ipynb"),
    "a file in a folder of its own": with_entry(".ipython/profile_default/startup/evil.py"),
    "a page beside the notebook": with_entry(f"nbkit_files/{hashlib.sha256(b'x').hexdigest()[:16]}.html"),
    "a file under another hash": with_entry(f"files/ab/{'ab' * 32}.png"),
    "a zip without a manifest": without_manifest,
    "a bomb": with_entry(f"runs/{'0' * 32}.json", b"[" * (65 * 2**20)),
    "many bombs": lambda entries: entries.update(
        {f"runs/{number:032x}.json": bytes(60 * 2**20) for number in range(5)}
    ),
    "a run nested too deep": with_entry(f"runs/{'0' * 32}.json", b"[" * 200_000),
    "a run that is none": with_entry(f"runs/{'0' * 32}.json", b"[1]"),
    "an id that is none": of_run(id="../../x"),
    "a run that is not over": of_run(state="sending"),
    "an unknown column": of_run(seq=1),
    "a missing column": of_run(endpoint=None),
    "a number for a text": of_run(cell=7),
    "a text for a number": of_run(seconds="7"),
    "no finite number": of_run(seconds=float("inf")),
    "half a character": of_run(note="\ud800"),
    "an input nested too deep": of_run(input="[" * 200_000),
    "a file outside of the store": of_file(path="../../../etc/passwd"),
    "an absolute file": of_file(path="/etc/passwd"),
    "a file without a role": of_file(role="model"),
    "a notebook's path": of_run(notebook="/home/somebody/cats.ipynb"),
}


def whole(folder: Path) -> list[Path]:
    """Every file of a folder, without the database's own."""
    return [path for path in folder.rglob("*") if path.is_file() and "sqlite" not in path.name]


@pytest.mark.parametrize("edit", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_bundle_gets_one_error_and_leaves_nothing(
    bundle: Path, elsewhere: Callable[[], Path], tmp_path: Path, edit: Edit
) -> None:
    """Whatever somebody put into a bundle, it is refused with one error, and nothing of it stays."""
    changed = rewritten(bundle, edit)
    there = elsewhere()

    with pytest.raises(InputError, match="is not a bundle that can be unpacked"):
        history.unpack(changed, there)
    assert whole(there) == []
    assert whole(tmp_path / "elsewhere") == []
    assert len(history.search()) == 0


@pytest.mark.parametrize(
    "manifest", [b"{", b"[]", b"{}", b'{"format": "nbkit bundle", "version": 1}', b"[" * 99_999]
)
def test_a_manifest_that_is_none_is_told(
    bundle: Path, elsewhere: Callable[[], Path], manifest: bytes
) -> None:
    """A bundle that does not say what is in it is not looked into."""
    changed = rewritten(bundle, with_entry("manifest.json", manifest), honest=False)

    with pytest.raises(InputError, match="manifest"):
        history.unpack(changed, elsewhere())


@pytest.mark.parametrize("name", ["runs", "files", "cats.ipynb"])
def test_a_changed_entry_is_noticed_by_its_hash(
    bundle: Path, elsewhere: Callable[[], Path], tmp_path: Path, name: str
) -> None:
    """A bundle in which one byte is another one is refused whole."""

    def edit(entries: dict[str, bytes]) -> None:
        changed = next(it for it in entries if it.startswith(name))
        entries[changed] = entries[changed][:-2] + b" " + entries[changed][-1:]

    changed = rewritten(bundle, edit, honest=False)
    there = elsewhere()

    with pytest.raises(InputError, match="is not what the manifest says"):
        history.unpack(changed, there)
    assert whole(there) == whole(tmp_path / "elsewhere") == []
    assert len(history.search()) == 0


def test_a_link_and_an_entry_that_stands_there_twice_are_refused(
    bundle: Path, elsewhere: Callable[[], Path]
) -> None:
    """What a zip can hold beside plain files has no place in a bundle."""
    there = elsewhere()
    link = zipfile.ZipInfo("link.ipynb")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    for name, why in ((link, "is a link"), ("CATS.ipynb", "twice")):
        changed = rewritten(bundle, lambda _entries: None)
        with zipfile.ZipFile(changed, "a") as added:
            added.writestr(name, "/etc/passwd")
        with pytest.raises(InputError, match=why):
            history.unpack(changed, there)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_bundle_is_an_error_or_as_good_as_whole(
    bundle: Path, elsewhere: Callable[[], Path], data: st.DataObject
) -> None:
    """However a file was damaged on its way, unpacking ends with the whole of it or with one clear error."""
    there = elsewhere()
    content = bytearray(bundle.read_bytes())
    for at in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[at] ^= data.draw(st.integers(1, 255))
    damaged = bundle.with_name("damaged.zip")
    damaged.write_bytes(bytes(content[: data.draw(st.integers(0, len(content)))]))

    try:
        history.unpack(damaged, there)
    except InputError:
        return
    assert whole(there)


def test_what_is_not_found_is_told(
    record: Record, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Packing says which outputs have no run in the history, and which files of runs are gone."""
    run = record(output={"images": [{"url": "https://x/cat.png"}]}, media=(kept(PICTURE),))
    notebook = write_notebook(tmp_path / "cats.ipynb", run)
    notebook.write_text(notebook.read_text().replace(run.request_id, "0b5e", 1))
    assert main(["pack", str(notebook)]) == 0
    assert "cell 1: acme/imgen, request 0b5e" in capsys.readouterr().err

    write_notebook(notebook, run)
    assert run.media[0].path
    run.media[0].path.unlink()
    assert main(["pack", str(notebook)]) == 0
    assert "not kept: acme/imgen: images.0" in capsys.readouterr().err


def test_a_notebook_with_a_key_is_packed_only_when_told_so(record: Record, tmp_path: Path) -> None:
    """A key that somebody left in a cell does not travel by accident."""
    record()
    notebook = write_notebook(tmp_path / "cats.ipynb", source=f"key = '{FAL_KEY}'")

    with pytest.raises(InputError, match="a key stands in the notebook") as caught:
        history.pack(notebook)
    assert FAL_KEY not in str(caught.value)
    assert not notebook.with_suffix(".zip").exists()
    history.pack(notebook, allow_secrets=True)
    assert notebook.with_suffix(".zip").exists()


def test_only_a_bundle_is_written_over(record: Record, tmp_path: Path) -> None:
    """`-o` with the name of another file does not cost that file; a bundle is brought up to date."""
    notebook = write_notebook(tmp_path / "cats.ipynb", record())
    other = tmp_path / "thesis.zip"
    with zipfile.ZipFile(other, "w") as thesis:
        thesis.writestr("thesis.txt", "years of work")

    with pytest.raises(InputError, match="is not a bundle"):
        history.pack(notebook, other)
    assert history.pack(notebook).path == history.pack(notebook).path


def test_a_bundle_names_no_user_no_folder_and_no_process(
    record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is passed on does not say who made it, nor where on the machine."""
    monkeypatch.setenv("HOME", str(tmp_path / "maria"))
    run = record(error=RunFailed(f"{tmp_path}/maria/cat.png is empty"), state="failed", output=None)
    notebook = write_notebook(tmp_path / "maria" / "cats.ipynb", run)
    text = b""
    with zipfile.ZipFile(history.pack(notebook).path) as packed:
        for name in packed.namelist():
            text += packed.read(name)

    assert b"maria" not in text
    assert str(tmp_path).encode() not in text


def test_of_a_cell_that_ran_again_the_runs_that_it_shows_are_packed(
    record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bundle holds what the notebook was made with, also what it does not show, and not earlier attempts."""

    def cell(source: str) -> Callable[[], Any]:
        from nbkit.display.cell import Cell

        return lambda: Cell(source, "work/cats.ipynb")

    monkeypatch.setattr("nbkit.history.recorder.current_cell", cell(CELL))
    record({"prompt": "a cat"}, output={"n": 1})
    shown = record({"prompt": "a cat"}, output={"n": 2})
    record({"prompt": "quietly"}, output={"n": 3})
    monkeypatch.setattr("nbkit.history.recorder.current_cell", cell("another notebook's cell"))
    record({"prompt": "a dog"}, output={"n": 4})
    path = history.pack(write_notebook(tmp_path / "cats.ipynb", shown)).path

    with zipfile.ZipFile(path) as packed:
        runs = [json.loads(packed.read(name)) for name in packed.namelist() if name.startswith("runs/")]
    assert sorted(json.loads(it["run"]["result"])["n"] for it in runs) == [2, 3]


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_bundle_is_told_in_the_terminal(
    tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    """`nbkit unpack` of anything else is one line and exit code 1."""
    other = tmp_path / "x.zip"
    other.write_bytes(content)

    assert main(["unpack", str(other), str(tmp_path)]) == 1
    assert "x.zip is not a bundle" in capsys.readouterr().err
    assert main(["unpack", str(tmp_path / "nothing.zip")]) == 1
    assert "there is no file" in capsys.readouterr().err
