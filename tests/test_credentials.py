from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from nbkit import AsyncClient, Client
from nbkit.credentials import Key, find_fal_key
from nbkit.errors import CredentialsError, NbkitError

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = "SECRET-xyz"


@pytest.mark.parametrize(
    ("environ", "value", "source"),
    [
        ({"FAL_KEY": "a"}, "a", "FAL_KEY"),
        ({"FAL_KEY": "a", "FAL_KEY_ID": "i", "FAL_KEY_SECRET": "s"}, "a", "FAL_KEY"),
        ({"FAL_KEY_ID": "i", "FAL_KEY_SECRET": "s"}, "i:s", "FAL_KEY_ID and FAL_KEY_SECRET"),
        ({"FAL_KEY": "", "FAL_KEY_ID": "i", "FAL_KEY_SECRET": "s"}, "i:s", "FAL_KEY_ID and FAL_KEY_SECRET"),
        ({"FAL_KEY": " a\n"}, "a", "FAL_KEY"),
    ],
)
def test_the_environment_is_read_in_fals_order(environ: dict[str, str], value: str, source: str) -> None:
    """`FAL_KEY` comes first, then the pair."""
    key = find_fal_key(None, environ)

    assert key is not None
    assert (key.reveal(), key.source) == (value, source)


def test_what_is_given_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that is passed is used, whatever the environment says."""
    monkeypatch.setenv("FAL_KEY", "from-environment")

    given_key = find_fal_key("given")
    assert given_key is not None
    assert given_key.reveal() == "given"
    assert find_fal_key(given_key) is given_key


@pytest.mark.parametrize("environ", [{}, {"FAL_KEY": ""}, {"FAL_KEY_ID": "i"}, {"FAL_KEY_SECRET": "s"}])
def test_half_a_key_is_none(environ: dict[str, str]) -> None:
    """Without a whole key there is no key."""
    assert find_fal_key(None, environ) is None


@pytest.mark.parametrize(
    "value", ["", "  ", f"{SECRET} x", f"{SECRET}\r\nx-evil: 1", f"{SECRET}\x00", f"{SECRET}é"]
)
def test_what_cannot_be_a_key_is_refused_without_showing_it(value: str) -> None:
    """A key with a line break could smuggle header fields; the message names where it is from, not what it is."""
    with pytest.raises(CredentialsError, match="FAL_KEY") as caught:
        Key(value, "FAL_KEY")

    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        format,
        "%s".__mod__,
        lambda key: repr([key]),
        lambda key: repr({"key": key}),
        lambda key: json.dumps({"key": key}, default=repr),
        lambda key: logging.LogRecord("n", 20, "f", 1, "%s", (key,), None).getMessage(),
    ],
)
def test_a_key_does_not_show_itself(show: Callable[[Key], str]) -> None:
    """However it is written down, only where it came from can be read."""
    assert SECRET not in show(Key(SECRET, "FAL_KEY"))
    assert "FAL_KEY" in show(Key(SECRET, "FAL_KEY"))


@pytest.mark.parametrize(
    "write", [pickle.dumps, json.dumps, copy.copy, copy.deepcopy, vars, bytes, len, iter]
)
def test_a_key_cannot_be_written_away(write: Callable[[Any], Any]) -> None:
    """It goes into no file, no copy and no dictionary of attributes."""
    with pytest.raises(TypeError) as caught:
        write(Key(SECRET, "key="))

    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_client_does_not_show_its_key(kind: type[Client | AsyncClient]) -> None:
    """Printing a client, or all that it holds, gives no key away."""
    client = kind("fal", key=SECRET)

    assert SECRET not in repr(client)
    assert SECRET not in repr(vars(client))
    assert SECRET not in repr([vars(part) for part in (client._calls, client._calls.session)])


@given(st.text())
def test_whatever_is_pasted_it_is_a_key_or_an_error_of_ours(text: str) -> None:
    """No text makes anything but a usable header value or a clear refusal."""
    try:
        key = Key(text, "key=")
    except NbkitError:
        return
    assert key.reveal().encode("ascii").isspace() is False
    assert "\n" not in key.reveal()
