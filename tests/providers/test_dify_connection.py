from __future__ import annotations

import sys
from pathlib import Path

import pytest

from nbkit import credentials
from nbkit.config import config_file
from nbkit.errors import ConfigError, CredentialsError
from nbkit.providers.dify_connection import connections, find_connection, keep_connection

A, B = "https://a.example/v1", "https://b.example/v1"
CAT = "DIFY_MY_CAT_"
TABLE = f'[dify.my-cat]\nbase_url = "{A}"\n'


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project to work in, where `.env` files are read and nothing is typed or kept."""
    monkeypatch.delenv("NBKIT_KEYS")
    monkeypatch.setitem(sys.modules, "keyring", None)
    for place in ("_typed", "_kept"):
        monkeypatch.setattr(credentials, place, {})
    folder = tmp_path / "project"
    (folder / ".git").mkdir(parents=True)
    monkeypatch.chdir(folder)
    config_file().parent.mkdir(parents=True)
    return folder


def say(environment: dict[str, str], dotenv: str = "", config: str = "") -> dict[str, str]:
    """Have the three places say something; gives the environment."""
    Path(".env").write_text(dotenv)
    config_file().write_text(config)
    return environment


SAID = [
    # environment, .env, config.toml → address, key
    ({"DIFY_BASE_URL": A, f"{CAT}API_KEY": "k"}, "", "", A, "k"),
    ({f"{CAT}BASE_URL": A, "DIFY_BASE_URL": B, f"{CAT}API_KEY": "k"}, "", "", A, "k"),
    ({f"{CAT}API_KEY": "k"}, "", TABLE, A, "k"),
    ({f"{CAT}API_KEY": "k", "DIFY_BASE_URL": B}, "", TABLE, A, "k"),
    ({f"{CAT}API_KEY": "k", f"{CAT}BASE_URL": B}, "", TABLE, B, "k"),
    ({"MINE": "k"}, "", TABLE + 'key_env = "MINE"', A, "k"),
    ({"MINE": "k", f"{CAT}API_KEY": "e"}, "", TABLE + 'key_env = "MINE"', A, "e"),
    ({}, f"{CAT}BASE_URL={A}\n{CAT}API_KEY=k", "", A, "k"),
    ({f"{CAT}BASE_URL": A}, f"{CAT}API_KEY=k", "", A, "k"),
    ({f"{CAT}BASE_URL": A}, f"{CAT}BASE_URL={A}/\n{CAT}API_KEY=k", "", A, "k"),
    ({}, f"{CAT}API_KEY=k", TABLE, A, "k"),
    ({f"{CAT}API_KEY": "k"}, "", f'[dify.default]\nbase_url = "{B}"', B, "k"),
]


@pytest.mark.parametrize(("environment", "dotenv", "config", "address", "key"), SAID)
def test_where_a_connection_is_found(
    environment: dict[str, str], dotenv: str, config: str, address: str, key: str
) -> None:
    """The environment goes before `.env`, that before `config.toml`, and an app's own address before the default's."""
    found = find_connection("my-cat", say(environment, dotenv, config))

    assert (found.place.base, found.key.reveal()) == (address, key)


BOUND = [
    # a key that stands beside another address, or whose address came with a folder
    ({f"{CAT}API_KEY": "k"}, f"{CAT}BASE_URL={B}", ""),
    ({f"{CAT}API_KEY": "k"}, f"DIFY_BASE_URL={B}", ""),
    ({f"{CAT}API_KEY": "k"}, f"{CAT}BASE_URL={B}", TABLE),
    ({f"{CAT}BASE_URL": B}, f"{CAT}BASE_URL={A}\n{CAT}API_KEY=k", ""),
    ({f"{CAT}BASE_URL": B, "MINE": "k"}, "", TABLE + 'key_env = "MINE"'),
    ({"MINE": "k"}, f"{CAT}BASE_URL={B}", TABLE + 'key_env = "MINE"'),
]


@pytest.mark.parametrize(("environment", "dotenv", "config"), BOUND)
def test_a_key_goes_to_its_own_address_only(environment: dict[str, str], dotenv: str, config: str) -> None:
    """A key for one server goes to no other, and none of the user's own goes where a folder says."""
    with pytest.raises(CredentialsError, match="beside the address, which is from"):
        find_connection("my-cat", say(environment, dotenv, config))


def test_a_typed_key_is_for_one_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that was typed for one server is not used when the connection leads elsewhere."""
    told = keep_connection("my-cat", A, lambda _question: "app-SECRET", lambda _question: "n")

    assert "SECRET" not in told
    assert find_connection("my-cat").key.reveal() == "app-SECRET"
    monkeypatch.setenv(f"{CAT}BASE_URL", B)
    with pytest.raises(CredentialsError, match="not connected"):
        find_connection("my-cat")
    assert "environment's address" in keep_connection(
        "my-cat", A, lambda _question: "x", lambda _question: ""
    )


def test_a_projects_file_brings_no_connection(project: Path) -> None:
    """A project may have settings, but not say where keys go."""
    (project / "pyproject.toml").write_text(f'[tool.nbkit.dify.my-cat]\nbase_url = "{B}"\nkey_env = "HOME"\n')
    with pytest.raises(CredentialsError, match="DIFY_MY_CAT_BASE_URL is not set"):
        find_connection("my-cat")
    assert connections() == {}
    assert find_connection("my-cat", say({f"{CAT}API_KEY": "k"}, config=TABLE)).place.base == A


@pytest.mark.parametrize(
    "config",
    [
        '[dify.my-cat]\nkey = "app-SECRET"',
        '[dify.my-cat]\nkey_env = "app-SECRET"',
        "[dify.my-cat]\nbase_url = 5",
        'dify = "app-SECRET"',
        '[dify.my-cat.deep]\nbase_url = "app-SECRET"',
    ],
)
def test_settings_that_are_none(config: str) -> None:
    """What cannot be a connection's setting is refused with its name, and its value, maybe a key, is not shown."""
    with pytest.raises(ConfigError, match=r"dify|key_env") as caught:
        find_connection("my-cat", say({"DIFY_BASE_URL": A}, config=config))

    assert "SECRET" not in str(caught.value)


def test_every_connection_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each connection is named with where its address and its key are from, and no key."""
    say(
        {},
        f"DIFY_API_KEY=app-SECRET\nDIFY_BASE_URL={B}\nOTHER=1",
        TABLE + '[dify."a.b"]\nbase_url = "https://a.example"\nkey_env = "MINE"\n',
    )
    monkeypatch.setenv("MINE", "app-SECRET")
    monkeypatch.setenv("DIFY_BIG_DOG_API_KEY", "app SECRET")
    listed = connections()

    assert list(listed) == ["a.b", "big-dog", "default", "my-cat"]
    assert listed["default"].startswith(f"{B} (from ")
    assert "its key from DIFY_API_KEY of " in listed["default"]
    assert listed["a.b"].endswith("its key from MINE of the environment, as config.toml says")
    assert listed["my-cat"] == "dify/my-cat is not connected: DIFY_MY_CAT_API_KEY is not set"
    assert "SECRET" not in str(listed)
