"""Text to tokens: words, single CJK characters, emoji and breaks."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from nbkit.errors import EngineError

MAX_CHARACTERS = 8_000
"""What lies beyond this many characters of a prompt is not read, which bounds the work for any prompt."""

_WORD_BY_WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af々]"  # written without spaces, or with particles
    r"|\d+"
    r"|(?:[^\W\d_]|[\u0300-\u036f\u064b-\u0652\u0900-\u0dff])+"  # letters with their combining marks
    r"|[,;:.!?()\[\]{}|/、。\n]"
)
_POSSESSIVE = re.compile(r"(?<=\w)['\u2019]s?\b")
_INVISIBLE = re.compile(r"[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af々]")


@dataclass(frozen=True, slots=True)
class Token:
    """One unit of a prompt.

    Attributes:
        text: Normalised form that is looked up: case-folded, Latin accents removed.
        surface: What the author wrote.
        is_emoji: The author typed a picture instead of a word.
        is_break: Punctuation between two phrases.
        after_space: White space or punctuation stands before it.
    """

    text: str
    surface: str
    is_emoji: bool = False
    is_break: bool = False
    after_space: bool = True

    @property
    def is_cjk(self) -> bool:
        """Whether this is one character of a script that is read without spaces."""
        return bool(_CJK.fullmatch(self.text))


def tokenize(prompt: str) -> list[Token]:
    """Split a prompt into tokens; control and invisible characters vanish.

    Raises:
        EngineError: The package that knows emoji sequences is not installed.
    """
    prompt = prompt[:MAX_CHARACTERS]
    tokens: list[Token] = []
    position = 0
    for start, end, found in _emoji_in(prompt):
        tokens += _words(prompt[position:start])
        tokens.append(Token(found, found, is_emoji=True))
        position = end
    return tokens + _words(prompt[position:])


def normalize(word: str) -> str:
    """Fold case, width and the Russian yo, and take accents off Latin letters, so that spellings of one word meet."""
    folded = unicodedata.normalize("NFKC", word).casefold().replace("\u0451", "\u0435")
    if folded.isascii():
        return folded
    letters = []
    for letter in folded:
        base = unicodedata.normalize("NFD", letter)[0]
        # Only Latin: in other scripts a mark often makes another letter (и and й, か and が).
        letters.append(base if base.isascii() else letter)
    return "".join(letters)


def _words(text: str) -> list[Token]:
    text = _CONTROL.sub(" ", _INVISIBLE.sub("", unicodedata.normalize("NFKC", text)))
    text = _POSSESSIVE.sub("", text)
    return [_word(match, text) for match in _WORD_BY_WORD.finditer(text)]


def _word(match: re.Match[str], text: str) -> Token:
    surface = match.group()
    is_break = not any(letter.isalnum() for letter in surface)
    after_space = match.start() == 0 or not text[match.start() - 1].isalnum()
    return Token("," if is_break else normalize(surface), surface, is_break=is_break, after_space=after_space)


def _emoji_in(text: str) -> list[tuple[int, int, str]]:
    if text.isascii():
        return []
    try:
        import emoji
    except ImportError as missing:
        raise EngineError(
            "The collage composer needs the package emoji.", hint="Install nbkit-media[local]."
        ) from missing
    return [(hit["match_start"], hit["match_end"], hit["emoji"]) for hit in emoji.emoji_list(text)]
