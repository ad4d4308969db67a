"""The words of answers that are not JSON: a proxy's page, a line of text."""

from __future__ import annotations

import html
import re
from http import HTTPStatus


def page_words(content: bytes) -> str:
    """The words of a page or a plain text; an empty string for what is neither."""
    text = content[:4000].decode("utf-8", "replace")
    title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
    if title:
        text = title[1]
    elif text.lstrip().startswith(("<", "{", "[")):
        return ""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())


def phrase(status: int) -> str:
    """What an HTTP status code means."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "no reason given"
