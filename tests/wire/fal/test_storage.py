from __future__ import annotations

import pytest

from nbkit.errors import MediaError
from nbkit.wire.fal.addresses import Hosts
from nbkit.wire.fal.storage import initiate_url, read_place

FAL = Hosts.of_fal({})


def test_where_to_ask() -> None:
    """A place for a file is asked for at fal's storage."""
    assert initiate_url(FAL) == "https://rest.fal.ai/storage/upload/initiate?storage_type=fal-cdn-v3"


def test_the_two_addresses() -> None:
    """Where to put it and what it will be called; a server may give paths on itself."""
    body = {"upload_url": "https://s3/put?sig=1", "file_url": "/cdn/x"}

    assert read_place(body, FAL) == ("https://s3/put?sig=1", "https://rest.fal.ai/cdn/x")


@pytest.mark.parametrize(
    "body", [None, [], {}, {"upload_url": "https://a"}, {"upload_url": 1, "file_url": "https://a"}]
)
def test_no_place(body: object) -> None:
    """An answer without both says so."""
    with pytest.raises(MediaError, match="no place"):
        read_place(body, FAL)


def test_a_broken_address() -> None:
    """An address that is none says so."""
    with pytest.raises(MediaError, match="none"):
        read_place({"upload_url": "http://[broken", "file_url": "x"}, FAL)
