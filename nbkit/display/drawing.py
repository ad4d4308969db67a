"""Vector drawings, shown so that they can do nothing.

A browser runs no script of a drawing that stands in an `img`, and fetches nothing for it. What could still keep it
busy without end, entities and elements that multiply, is refused.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

from nbkit.errors import MediaError

if TYPE_CHECKING:
    from pathlib import Path

_LARGEST = 60_000
_IS_SVG = re.compile(
    rb"\A(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*\?>\s*)?(?:<!--(?:(?!-->).){0,4000}-->\s*)*<svg[\s>]", re.DOTALL
)
_MULTIPLIES = re.compile(
    rb"<!|<[\w:]*(?:use|filter|pattern|animate|foreignObject|script|image)\b|\0", re.IGNORECASE
)
_COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)


def drawing(path: Path) -> str:
    """A `data:` address of the drawing in a file.

    Raises:
        MediaError: It is no drawing, is too large, or holds what may be more than a drawing.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise MediaError(f"the file cannot be read: {error.strerror}") from error
    if not _IS_SVG.match(data):
        raise MediaError("the file is not a picture that can be shown here")
    if len(data) > _LARGEST:
        raise MediaError(f"the drawing is larger than {_LARGEST // 1000} kB")
    if _MULTIPLIES.search(_COMMENT.sub(b"", data)):
        raise MediaError("the drawing holds more than shapes")
    return f"data:image/svg+xml;base64,{base64.b64encode(data).decode('ascii')}"
