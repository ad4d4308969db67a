from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from PIL import Image

import nbkit
from nbkit import history
from nbkit.errors import InputError, MediaError, RunFailed
from nbkit.model.media import Media
from nbkit.model.recipe import Recipe
from nbkit.model.result import Result

if TYPE_CHECKING:
    from pathlib import Path

    from tests.history.conftest import Record


_WORDS = st.text(st.characters(categories=["Lu", "Ll", "Nd", "Po", "Sm"]), min_size=1)


def prompts(**asked: Any) -> list[Any]:
    """The prompts of the runs that are found."""
    return [record.input["prompt"] for record in history.search(**asked)]


def test_runs_are_found_by_words_of_their_input_endpoint_error_and_note(record: Record) -> None:
    """Whatever one remembers of a run leads to it; the latest stands first."""
    record({"prompt": "a Red cat", "style": {"name": "gouache"}})
    record(
        {"prompt": "a red dog"},
        endpoint="acme/upscale/fast",
        error=RunFailed("out of memory"),
        state="failed",
    )
    history.note(record({"prompt": "eine Katze, müde"}).id, "for the poster")

    assert prompts(text="red") == ["a red dog", "a Red cat"]
    assert prompts(text="cat RED") == ["a Red cat"]
    assert prompts(text="gouac") == ["a Red cat"]
    assert prompts(text="muede") == []
    assert prompts(text="mude") == ["eine Katze, müde"]
    assert prompts(text="memory") == ["a red dog"]
    assert prompts(text="upscale") == ["a red dog"]
    assert prompts(text="poster") == ["eine Katze, müde"]
    assert prompts(text="  ") == prompts() == ["eine Katze, müde", "a red dog", "a Red cat"]


@pytest.mark.parametrize("text", ["猫", "一只", "只猫", "一只猫 席子", "แมว", "ネコ"])
def test_words_are_found_in_scripts_without_spaces(record: Record, text: str) -> None:
    """A prompt in Chinese, Japanese or Thai is found by any part of it."""
    record({"prompt": "一只猫坐在席子上 แมวแดง 赤いネコ"})
    record({"prompt": "a dog"})

    assert len(history.search(text)) == 1
    assert not history.search("狗")
    assert not history.search("猫一")


def test_what_is_no_word_is_found_as_it_stands(record: Record) -> None:
    """Signs, such as a prompt of emoji, are found, too."""
    record({"prompt": "🐱🐱 %"})
    record({"prompt": "🐶"})

    assert prompts(text="🐱") == ["🐱🐱 %"]
    assert prompts(text="%") == ["🐱🐱 %"]


def test_runs_are_found_by_what_is_known_of_them(record: Record) -> None:
    """Endpoint, time, status, seed, notebook, star and sweep can be asked for, together."""
    first = record({"prompt": "one", "seed": 2**70}, endpoint="fal-ai/flux/dev", output={"seed": 1})
    second = record({"prompt": "two"}, endpoint="fal-ai/flux-pro", output={"seed": 9})
    history.star(first.id)

    assert prompts(endpoint="fal-ai/flux") == prompts(endpoint="fal-ai/flux/dev/") == ["one"]
    assert prompts(endpoint="fal-ai") == ["two", "one"]
    assert prompts(seed=2**70) == ["one"]
    assert prompts(seed=9) == ["two"]
    assert prompts(starred=True) == ["one"]
    assert prompts(starred=False) == ["two"]
    assert prompts(status="succeeded", limit=1) == ["two"]
    assert prompts(status=["failed", "unknown"]) == []
    assert prompts(after="1h") == prompts(before=time.time() + 60) == ["two", "one"]
    assert prompts(before="1h") == prompts(after=time.time() + 60) == []
    assert prompts(input_sha256=second.input_sha256) == ["two"]
    assert prompts(sweep="none") == prompts(notebook="none.ipynb") == []
    assert prompts(limit=None) == ["two", "one"]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"status": "done"}, "status"),
        ({"after": "soon"}, "after"),
        ({"limit": -1}, "limit"),
        ({"limit": True}, "limit"),
    ],
)
def test_a_slip_is_told(asked: dict[str, Any], field: str) -> None:
    """What cannot be asked is told at once, with the name of what was wrong."""
    with pytest.raises(InputError) as caught:
        history.search(**asked)

    assert caught.value.field == field


def test_where_nothing_ran_nothing_is_found() -> None:
    """Asking before the first run gives an empty list."""
    assert list(history.search("cat")) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(text=st.text() | st.text("\"*()^:-+{}~ANDORNEAR\0 '", max_size=12))
def test_any_text_may_be_looked_for(record: Record, text: str) -> None:
    """No text has a meaning to the index, and none breaks it: a run is found by every word of its own prompt."""
    if not history.search(limit=1):
        record({"prompt": "a cat"})
    found = history.search(text)
    history.search(endpoint=text, notebook=text, sweep=text)

    assert not found or not text.strip() or found[0].input == {"prompt": "a cat"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(
    words=st.lists(
        st.text(st.characters(categories=["Lu", "Ll", "Nd", "Po", "Sm"]), min_size=1), min_size=1, max_size=4
    )
)
def test_a_run_is_found_by_its_own_words(record: Record, words: list[str]) -> None:
    """Whatever a prompt says, saying it again finds it."""
    prompt = " ".join(words)

    assert record({"prompt": prompt}).id in [found.id for found in history.search(prompt, limit=None)]


def test_a_run_is_had_by_its_id_or_the_beginning_of_it(record: Record) -> None:
    """The id that the service gave, the history's own, or some of either is enough."""
    run = record()
    record()

    for name in (run.id, run.request_id, run.id[:8], run.request_id[:8], f" {run.id}\n"):
        assert history.get(name).id == run.id
    for name in ("", "x", "zzzzzzzz", run.id[:2], "%", "\ud800"):
        with pytest.raises(InputError, match="no run of the history is called"):
            history.get(name)


def test_a_beginning_that_fits_two_runs_is_told(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody gets another run than the one that was meant."""
    firsts = [record().request_id[:1] for _ in range(17)]
    assert len(set(firsts)) < len(firsts)
    twice = next(letter for letter in firsts if firsts.count(letter) > 1)
    monkeypatch.setattr("nbkit.history.queries._SHORTEST_PREFIX", 1)
    with pytest.raises(InputError, match="runs are called"):
        history.get(twice)


def test_asking_works_while_runs_are_written(record: Record) -> None:
    """A search waits for no writer, and sees whole runs only."""
    record()
    seen: list[int] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            seen.append(len(history.search(limit=None)))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for _ in range(20):
            record()
    finally:
        over.set()
        asking.join()

    assert seen == sorted(seen)
    assert len(history.search(limit=None)) == 21


def test_a_file_leads_to_the_run_that_gave_it(record: Record, tmp_path: Path) -> None:
    """By its content, by the request id in its recipe, and where the history knows neither by the recipe alone."""
    for name in ("kept", "stranger"):
        Image.effect_noise((4, 3), 90).save(tmp_path / f"{name}.png")
    sha256 = hashlib.sha256((tmp_path / "kept.png").read_bytes()).hexdigest()
    kept = Media("https://a/x.png", path=tmp_path / "kept.png", sha256=sha256, place="images.0")
    run = record({"prompt": "a cat"}, output={}, media=(kept,))
    assert run.result is not None
    saved = replace(run.result.media[0], path=tmp_path / "kept.png").save(tmp_path / "saved.png")
    other = Result({}, endpoint="a/b", input={"prompt": "x"}, request_id="elsewhere", media=(kept,)).media[0]
    foreign = history.from_file(other.save(tmp_path / "foreign.png"))

    assert history.from_file(tmp_path / "kept.png") == run
    assert history.from_file(str(saved)) == run
    assert isinstance(foreign, Recipe)
    assert foreign.request_id == "elsewhere"
    assert history.from_file(tmp_path / "stranger.png") is None
    with pytest.raises(MediaError, match="cannot be read"):
        history.from_file(tmp_path / "none.png")


def test_a_file_of_the_past_is_saved_with_the_time_of_its_run(record: Record, tmp_path: Path) -> None:
    """The recipe of an old picture tells when it was made, not when it was saved."""
    Image.new("RGB", (4, 3)).save(tmp_path / "kept.png")
    run = record(output={}, media=(Media("https://a/x.png", path=tmp_path / "kept.png", place="image"),))
    time.sleep(1.1)
    assert run.ended is not None
    recipe = nbkit.read_recipe(run.media[0].save(tmp_path / "saved.png"))

    assert recipe is not None
    assert recipe.input == run.input
    assert datetime.fromisoformat(recipe.time).timestamp() == int(run.ended)
