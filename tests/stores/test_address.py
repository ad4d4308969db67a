from __future__ import annotations

import contextlib
import importlib.util
import subprocess
import sys

import pytest
from hypothesis import given, strategies as st

from nbkit.errors import ConfigError
from nbkit.stores.address import check_url, is_url, reason, shown, without_user
from nbkit.stores.opening import open_store

HOSTILE = "ftp://u:p@ss/w@ord@host/x"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("ftp://", "names no place"),
        ("s3://", "names no place"),
        ("ftp:///folder", "names no place"),
        ("bucket/folder", "has no protocol"),
        ("", "has no protocol"),
        ("simplecache::s3://bucket/x", "has no protocol"),
        ("s3://bucket/x::file:///y", "is a chain"),
        ("file://folder", "is not the whole path"),
        ("s3://a\nb", "cannot be printed"),
        ("nonsense://x/y", "no protocol 'nonsense' is known"),
        (7, "is text"),
    ],
)
def test_junk_is_one_clear_error(url: str, told: str) -> None:
    """What is no address of a store is refused before anything is asked of it."""
    with pytest.raises(ConfigError, match=told):
        open_store(url)


def test_a_missing_driver_is_named() -> None:
    """Who lacks a package reads which one to install."""
    missing = [
        (url, package)
        for url, module, package in (
            ("s3://bucket/x", "s3fs", "s3fs"),
            ("sftp://host/x", "paramiko", "paramiko"),
            ("gs://bucket/x", "gcsfs", "gcsfs"),
            ("az://bucket/x", "adlfs", "adlfs"),
        )
        if importlib.util.find_spec(module) is None
    ]
    assert missing
    for url, package in missing:
        with pytest.raises(ConfigError, match=f"pip install {package}"):
            open_store(url)


def test_without_fsspec() -> None:
    """Without fsspec itself a folder will do, and anything else says what to install."""
    code = (
        "import sys; sys.modules['fsspec'] = None\n"
        "from nbkit.stores.opening import open_store\n"
        "open_store('file:///tmp/x')\n"
        "try: open_store('memory://x')\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.startswith("ConfigError memory://x needs fsspec")
    assert "pip install 'nbkit-media[shared]'" in told


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    """Whatever stands in a setting, it is an address or one clear error."""
    for url in (text, f"s3://{text}", f"file:///{text}"):
        with contextlib.suppress(ConfigError):
            assert is_url(check_url(url))


@given(st.text(min_size=6, max_size=30), st.sampled_from(["", "/x", "/a@b/c"]))
def test_a_password_is_not_shown(password: str, path: str) -> None:
    """Neither an address that is shown, nor what a driver says of it, tells the password."""
    secret = f"§{password}§"
    url = f"ftp://me:{secret}@host{path}"
    assert secret not in shown(url)
    assert secret not in reason(ValueError(f"cannot reach {url}: {secret} is wrong"), url)


def test_addresses_for_people() -> None:
    """User names, passwords and queries stay out of what is shown; for another machine, too."""
    assert shown(HOSTILE) == "ftp://…@host/x"
    assert shown("https://host/x?sig=abc") == "https://host/x?…"
    assert shown("s3://bucket/folder") == "s3://bucket/folder"
    assert without_user("sftp://me:pw@host/x") == "sftp://host/x"
