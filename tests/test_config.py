from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbkit.config import Setting, config_file, keep, settings
from nbkit.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder inside a project to work in."""
    folder = tmp_path / "project" / "deep"
    folder.mkdir(parents=True)
    (folder.parent / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    monkeypatch.chdir(folder)
    return folder.parent


def write(text: str) -> None:
    """Write the user's own settings."""
    config_file().parent.mkdir(parents=True, exist_ok=True)
    config_file().write_text(text)


def test_where_the_settings_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """They are in `NBKIT_HOME`, or in the user's own folder of settings."""
    assert config_file() == tmp_path / "home" / "config.toml"
    monkeypatch.delenv("NBKIT_HOME")
    assert config_file().name == "config.toml"
    assert config_file().parent.name == "nbkit"


def test_a_projects_settings_go_before_the_users(project: Path) -> None:
    """Each setting is known with the file that says it, and whether that is the user's own."""
    assert settings() == {}
    write("reuse = true\n[alias]\nfast = 'a/b'\nslow = 'c/d'\n")
    (project / "pyproject.toml").write_text("[tool.nbkit.alias]\nfast = 'e/f'\n")
    found = settings()

    assert found["reuse",] == Setting(True, config_file(), is_own=True)  # noqa: FBT003 - the value of a setting
    assert found["alias", "slow"].value == "c/d"
    assert found["alias", "fast"] == Setting("e/f", project.resolve() / "pyproject.toml", is_own=False)


@pytest.mark.parametrize("content", [b"x = ", b"\xff\xfe", b"x = 1\nx = 2", b"x = " + b"[" * 5000])
def test_a_file_that_cannot_be_read_is_named(project: Path, content: bytes) -> None:
    """Broken settings are an error that names their file, the user's own or a project's, and are left as they are."""
    write("")
    config_file().write_bytes(content)
    with pytest.raises(ConfigError, match=r"config\.toml cannot be read"):
        settings()
    with pytest.raises(ConfigError, match=r"config\.toml cannot be read"):
        keep(("dify", "x"), {"base_url": "y"})
    assert config_file().read_bytes() == content
    write("")
    (project / "pyproject.toml").write_bytes(content)
    with pytest.raises(ConfigError, match=r"pyproject\.toml cannot be read"):
        settings()


@pytest.mark.parametrize(
    "before",
    [
        "",
        "# mine\nreuse = true # yes\n",
        "[dify.a]\nbase_url = 'old'\nkey_env = 'K'\n\n[dify.b] # other\nbase_url = 'b'\n",
        "[dify]\na = {base_url = 'old'}\n",
        "dify.b.base_url = 'b'\n",
        "\ufeff# mine\nreuse = true\n",
    ],
)
def test_writing_a_setting_leaves_the_others(before: str) -> None:
    """A table is replaced whole; comments and all other settings stay."""
    if before:
        write(before)
    kept = {name: it.value for name, it in settings().items() if name[:2] != ("dify", "a")}
    keep(("dify", "a"), {"base_url": "new"})

    assert {name: it.value for name, it in settings().items()} == kept | {("dify", "a", "base_url"): "new"}
    assert all(
        f"# {word}" in config_file().read_text() for word in ("mine", "yes", "other") if word in before
    )
    assert [it.name for it in config_file().parent.iterdir()] == ["config.toml"]


def test_a_file_that_cannot_be_written_is_named() -> None:
    """Where settings cannot be kept, the error names the file."""
    write("dify = 5\n")
    with pytest.raises(ConfigError, match=r"config\.toml cannot be written"):
        keep(("dify", "a"), {"base_url": "new"})
    assert config_file().read_text() == "dify = 5\n"
