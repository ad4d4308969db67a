from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbkit import config
from nbkit.stores.chosen import chosen_store, forget, is_allowed

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings of a project that came from somebody, with a store in them."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    path = folder / "pyproject.toml"
    path.write_text('[tool.nbkit]\nstore = "s3://theirs/nbkit"\n', "utf-8")
    forget()
    return path


def test_nothing_is_shared_by_itself() -> None:
    """Who sets nothing shares nothing."""
    forget()
    assert chosen_store().url == ""


@pytest.mark.usefixtures("project")
def test_a_project_cannot_send_results_elsewhere() -> None:
    """A store that only a project names is not used, and it is told why and how it would be."""
    chosen = chosen_store()
    assert chosen.url == ""
    assert "s3://theirs/nbkit is not used" in chosen.problems[0]
    assert "%nbkit config store allow s3://theirs/nbkit" in chosen.problems[0]

    config.keep_value("store", "s3://mine/nbkit")
    forget()
    assert (chosen_store().url, len(chosen_store().problems)) == ("s3://mine/nbkit", 1)


def test_a_project_cannot_allow_itself(project: Path) -> None:
    """What is allowed stands in the user's own settings alone."""
    project.write_text('[tool.nbkit]\nstore = "s3://theirs/x"\nallowed_stores = ["s3://theirs"]\n', "utf-8")
    forget()
    assert chosen_store().url == ""


def test_an_allowed_store_counts(project: Path) -> None:
    """Once the user allows a place, projects may name it, and before the user's own."""
    config.keep_value("store", "s3://mine/nbkit")
    config.keep_value("allowed_stores", ["s3://theirs"])
    forget()
    assert chosen_store().url == "s3://theirs/nbkit"
    assert chosen_store().source == str(project)


def test_a_project_may_say_that_nothing_is_shared(project: Path) -> None:
    """Work that must stay on this machine can say so."""
    config.keep_value("store", "s3://mine/nbkit")
    project.write_text('[tool.nbkit]\nstore = "off"\n', "utf-8")
    forget()
    assert chosen_store().url == ""
    assert not chosen_store().problems


@pytest.mark.usefixtures("project")
def test_the_variable_counts_before_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """`NBKIT_STORE` says it for one process, also that there is none."""
    config.keep_value("store", "s3://mine/nbkit")
    for value, url in (("memory://x", "memory://x"), ("off", ""), ("", "")):
        monkeypatch.setenv("NBKIT_STORE", value)
        assert chosen_store().url == url


@pytest.mark.parametrize("value", ["ftp://", "bucket", "a\nb"])
def test_junk_is_told_and_left_out(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """An address that is none stops nothing."""
    config.keep_value("store", "s3://mine/nbkit")
    monkeypatch.setenv("NBKIT_STORE", value)
    chosen = chosen_store()
    assert chosen.url == "s3://mine/nbkit"
    assert chosen.problems[0].startswith("NBKIT_STORE: store: ")


@pytest.mark.parametrize(
    ("url", "is_below"),
    [
        ("s3://lab", True),
        ("s3://lab/", True),
        ("s3://lab/a/b", True),
        ("s3://lab-of-others/a", False),
        ("s3://lab/../others", False),
        ("s3://lab/./..", False),
        ("s3://lab/%2e%2e/others", False),
        ("s3://lab@others/a", False),
        ("S3://lab/a", False),
        ("ftp://lab/a", False),
    ],
)
def test_what_is_below_a_place(url: str, *, is_below: bool) -> None:
    """What only begins alike, or leads out again, is not allowed along with a place."""
    assert is_allowed(url, ["s3://lab"]) is is_below
    assert is_allowed(url, ["s3://lab/"]) is (is_below and url != "s3://lab")
