"""A picture of 1024 × 1024 as a model gives it: not smooth, not noise; and copies with other bytes."""

from __future__ import annotations

import struct
import zlib
from functools import cache

SIDE = 1024


@cache
def picture() -> bytes:
    """The picture as PNG, about 1.5 MB."""
    import io

    import numpy as np
    from PIL import Image

    noise = np.random.default_rng(1)
    coarse = noise.integers(0, 255, (24, 24, 3), dtype=np.uint8)
    smooth = np.asarray(
        Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC), dtype=np.int16
    )
    grain = noise.normal(0, 4, (SIDE, SIDE, 3)).astype(np.int16)
    buffer = io.BytesIO()
    Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def variant(name: str) -> bytes:
    """The same picture with a comment in it, so that it is another file."""
    text = b"Comment\0" + name.encode()
    chunk = struct.pack(">I", len(text)) + b"tEXt" + text + struct.pack(">I", zlib.crc32(b"tEXt" + text))
    whole = picture()
    header_end = whole.index(b"IDAT") - 4
    return whole[:header_end] + chunk + whole[header_end:]
