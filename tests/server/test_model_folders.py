from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from nbkit.server.field_refused import FieldRefused
from nbkit.server.model_folders import VARIABLE, allowed_folders, find_model

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A folder of models with one in it, beside a secret."""
    (tmp_path / "models" / "sd").mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    return tmp_path / "models"


def refusal(name: str, *folders: Path) -> str:
    """What is said where nothing is found."""
    with pytest.raises(FieldRefused) as caught:
        find_model(name, "model", folders)
    assert caught.value.field == "model"
    return str(caught.value)


def test_a_model_is_found_by_its_path_and_by_its_place(shelf: Path) -> None:
    """A short name is looked for in each folder, the first that has it wins."""
    (shelf.parent / "secret" / "sd").mkdir()

    assert find_model(str(shelf / "sd"), "model", [shelf]) == shelf / "sd"
    assert find_model("sd", "model", [shelf.parent / "gone", shelf, shelf.parent / "secret"]) == shelf / "sd"
    assert find_model(str(shelf), "model", [shelf]) == shelf


def test_what_lies_elsewhere_is_as_if_it_were_not_there(shelf: Path) -> None:
    """Nobody learns by asking what else is on this machine."""
    inside = refusal("nothing", shelf)
    (shelf / "to-secret").symlink_to(shelf.parent / "secret")
    (shelf / "to-nothing").symlink_to(shelf.parent / "nothing")
    (shelf / "circle").symlink_to(shelf / "circle")
    for name in (
        str(shelf.parent / "secret"),
        str(shelf.parent / "nothing"),
        "../secret",
        "sd/../../secret",
        "to-secret",
        "to-nothing",
        "circle",
        "~root",
        "a\0b",
        "\ud800",
        "x" * 5000,
    ):
        assert refusal(name, shelf).partition(" in the ")[2] == inside.partition(" in the ")[2]


def test_a_link_inside_of_the_folders_is_followed(shelf: Path) -> None:
    """Also where the allowed folder is a link itself."""
    (shelf / "latest").symlink_to(shelf / "sd")
    (shelf.parent / "door").symlink_to(shelf)

    assert find_model("latest", "model", [shelf]) == shelf / "sd"
    assert find_model("sd", "model", [shelf.parent / "door"]) == shelf / "sd"


def test_without_folders_it_says_how_to_allow_one(shelf: Path) -> None:
    """The owner of the server has to do so."""
    assert "nbkit serve --models-dir DIR" in refusal(str(shelf / "sd"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(name=st.text() | st.lists(st.sampled_from(["..", "sd", "/", "to-secret", ".", "~"])).map("/".join))
def test_nothing_outside_is_ever_given(shelf: Path, name: str) -> None:
    """Whatever the name."""
    (shelf / "to-secret").unlink(missing_ok=True)
    (shelf / "to-secret").symlink_to(shelf.parent / "secret")
    try:
        found = find_model(name, "model", [shelf])
    except FieldRefused:
        return
    assert found.is_relative_to(shelf)


def test_the_command_line_comes_before_the_variable(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable holds several folders, as PATH does."""
    monkeypatch.chdir(shelf)
    monkeypatch.setenv(VARIABLE, f"sd:{shelf.parent}::")

    assert allowed_folders([]) == (shelf / "sd", shelf.parent)
    assert allowed_folders([shelf]) == (shelf,)
    monkeypatch.delenv(VARIABLE)
    assert allowed_folders([]) == ()


def test_a_kernel_may_read_all_that_its_user_may(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By paths from the folder it was started in, too."""
    monkeypatch.chdir(shelf)
    folders = allowed_folders([], all_too=True)

    assert find_model("sd", "model", folders) == shelf / "sd"
    assert find_model("../secret", "model", folders) == shelf.parent / "secret"
    assert find_model(str(shelf.parent / "secret"), "model", folders) == shelf.parent / "secret"


def test_a_folder_that_is_gone_keeps_no_kernel_from_its_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A notebook's folder can be deleted while it is open."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    assert find_model(str(tmp_path), "model", allowed_folders([], all_too=True)) == tmp_path
