"""The dictionary forms a written word may come from, for the languages the composer reads."""

# ruff: noqa: RUF001 - the Cyrillic letters are meant

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_CYRILLIC = re.compile(r"[\u0400-\u04ff]+")
_ARABIC = re.compile(r"[\u0600-\u06ff]+")
_RUSSIAN_ENDINGS = re.compile(
    "(ами|ями|ого|его|ому|ему|ыми|ими|ах|ях|ов|ев|ей|ой|ый|ий|ая|яя|ое|ее|ые|ие|ом|ем|ам|ям|ую|юю|ых|их|ою|ею"
    "|[аяоеуюыиьй])$"
)
_RUSSIAN_PLURAL_ENDINGS = ("ы", "и", "ами", "ями", "ах", "ях", "ов", "ев", "ам", "ям", "ые", "ие")
_FLEETING_VOWEL = re.compile(r"(?<=[бвгджзклмнпрстфхцчшщй])[оеь](?=[кцр]$)")
_SHORTEST_STEM = 3

# Plural ending, what the singular has instead. English first, then German and the Romance languages.
_LATIN_PLURALS = (
    ("ies", "y"), ("ves", "f"), ("ves", "fe"), ("es", ""), ("s", ""), ("aux", "al"), ("x", ""),
    ("oes", "o"), ("en", ""), ("n", ""), ("er", ""), ("e", ""), ("e", "a"), ("i", "o"), ("i", "e"),
    ("hi", "o"), ("he", "a"), ("oes", "ao"), ("ns", "m"), ("lar", ""), ("ler", ""),
)  # fmt: skip
_LATIN_CASES = (
    ("ing", ""),
    ("ing", "e"),
    ("a", "o"),
    ("as", "o"),
    ("es", "o"),
    ("em", ""),
    ("es", ""),
    ("er", ""),
)


def forms(word: str) -> Iterator[tuple[str, bool]]:
    """Yield what to look up for a normalised word, best first, each with whether the word is its plural."""
    yield word, False
    if _CYRILLIC.fullmatch(word):
        yield stem(word), word.endswith(_RUSSIAN_PLURAL_ENDINGS)
    elif _ARABIC.fullmatch(word):
        for article in ("وال", "ال"):
            if word.startswith(article):
                yield word.removeprefix(article), False
    elif word.isalpha():
        yield from _latin_forms(word)


def stem(word: str) -> str:
    """Cut the ending off a Russian word, and the vowel that comes and goes in кошка, кошек; others stay."""
    if not _CYRILLIC.fullmatch(word):
        return word
    ending = _RUSSIAN_ENDINGS.search(word, _SHORTEST_STEM)
    word = word[: ending.start()] if ending else word
    return _FLEETING_VOWEL.sub("", word) if len(word) > _SHORTEST_STEM else word


def _latin_forms(word: str) -> Iterator[tuple[str, bool]]:
    for endings, is_plural in ((_LATIN_PLURALS, True), (_LATIN_CASES, False)):
        for ending, singular in endings:
            if word.endswith(ending) and len(word) - len(ending) + len(singular) >= _SHORTEST_STEM:
                yield word.removesuffix(ending) + singular, is_plural
