"""Text and addresses from outside, made inert."""

from __future__ import annotations

import html
import re
from urllib.parse import urlsplit

# C0 and C1 controls but tab and newline, the characters that turn the reading direction around, lone
# surrogates (they cannot be written as UTF-8) and the two code points that are no characters at all.
_HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
_UNSAFE_IN_ADDRESS = re.compile(r"[\s\x00-\x20\x7f\\<>\"'`]")
_BESIDE = re.compile(r"[A-Za-z0-9._~%-]+(/[A-Za-z0-9._~%-]+)*")


class Markup(str):
    """HTML that is safe to put into a page as it is."""

    __slots__ = ()


def clean(value: object) -> str:
    """The text of a value, without what could steer a terminal or turn the reading direction around."""
    return _HARMFUL.sub("", str(value))


def without_harm(json_text: str) -> str:
    r"""JSON with the same meaning, in which what `clean` takes out of a text is written as `\uXXXX`."""
    return _HARMFUL.sub(lambda found: f"\\u{ord(found[0]):04x}", json_text)


def escape(value: object) -> Markup:
    """A value as HTML text or attribute; what is `Markup` already stays as it is."""
    if isinstance(value, Markup):
        return value
    return Markup(html.escape(clean(value), quote=True))


def link(url: str) -> str:
    """A web address if a reader may follow it, else an empty string.

    Addresses with a user name, a password or a query do not pass: a query is where services put signatures,
    and saved notebooks are shared. Relative ones do not either: in a notebook they lead into Jupyter itself.
    """
    try:
        parts = urlsplit(url)
        web = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return ""
    private = "@" in parts.netloc or bool(parts.query)
    return url if web and not private and not _UNSAFE_IN_ADDRESS.search(url) else ""


def beside(path: str) -> str:
    """The percent-encoded path of a file below the notebook's folder, an empty string for anything else."""
    return path if _BESIDE.fullmatch(path) and ".." not in path.split("/") else ""
