from __future__ import annotations

import base64
import hashlib
from typing import Any

from hypothesis import given, strategies as st

from nbkit.history.canonical import fingerprint
from nbkit.model.data_uri import data_uri_hash

CAT = hashlib.sha256(b"cat").hexdigest()
JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
)


def test_the_order_of_names_and_the_way_to_write_a_number_do_not_matter() -> None:
    """The same request has the same hash, however it was written."""
    assert fingerprint({"a": 1, "b": [2.0]}) == fingerprint({"b": [2], "a": 1.0})


def test_what_differs_has_another_hash() -> None:
    """Requests that are not the same are told apart."""
    inputs: list[Any] = [{"a": 1}, {"a": "1"}, {"a": True}, {"a": None}, {"a": [1]}, {"b": 1}, {}, {"a": 1.5}]

    assert len({fingerprint(it) for it in inputs}) == len(inputs)


def test_a_file_counts_by_what_is_in_it() -> None:
    """The same picture has another address at each upload, and may be sent inline: the request is the same."""
    inline = "data:image/png;base64," + base64.b64encode(b"cat").decode()
    hashes = {
        fingerprint({"image_url": "https://files.example/1"}, {"image_url": CAT}),
        fingerprint({"image_url": "https://files.example/2"}, {"image_url": CAT}),
        fingerprint({"image_url": inline}),
        fingerprint({"image_url": "data:,cat"}),
    }

    assert len(hashes) == 1
    assert fingerprint({"image_url": "https://files.example/1"}) not in hashes


@given(JSON)
def test_every_input_has_a_hash(value: Any) -> None:
    """No input is too odd to be told from another, and asking twice gives the same."""
    assert fingerprint({"a": value}) == fingerprint({"a": value})


@given(st.text())
def test_every_text_after_data_has_a_hash(text: str) -> None:
    """An address that only looks like an inline file hinders nothing."""
    assert len(data_uri_hash(f"data:{text}")[0]) == len(CAT)
    assert len(data_uri_hash(f"data:;base64,{text}")[0]) == len(CAT)
