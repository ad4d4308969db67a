"""What words mean: the language files of this package, and the names of every emoji below them.

A lexicon is a trie over normalised tokens, so "hot dog" is found before "dog" and 熊猫 before 猫.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from nbkit.engines.collage.inflection import forms, stem
from nbkit.engines.collage.sprite_facts import is_nameable
from nbkit.engines.collage.tokens import Token, normalize, tokenize

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NEWEST_EMOJI_IN_FONT = 17

LANGUAGES_WITH_FILES = ("en", "zh", "ru", "es", "de", "fr", "it", "pt", "ja", "ko", "id", "tr", "ar", "fa")


_GRAMMAR = ("relations", "counts", "colours")


class Kind(StrEnum):
    """What a word does in a prompt; the value is its section in a language file."""

    THING = "things"
    PLACE = "places"
    LIGHT = "light"
    WEATHER = "weather"
    COLOUR = "colours"
    COUNT = "counts"
    RELATION = "relations"
    STYLE = "styles"
    CONTAINER = "containers"
    CLOSEUP = "closeup"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a phrase stands for: a sprite, a place, a colour and so on."""

    kind: Kind
    value: str


@dataclass(frozen=True, slots=True)
class Match:
    """Tokens that were understood together, or one that was not (`meaning` is None)."""

    tokens: tuple[Token, ...]
    meaning: Meaning | None
    is_plural: bool = False

    @property
    def surface(self) -> str:
        """The words as they were written."""
        return "".join((" " if token.after_space else "") + token.surface for token in self.tokens).strip()

    @property
    def kind(self) -> Kind | None:
        """What the words do, None where they are unknown."""
        return self.meaning.kind if self.meaning else None

    @property
    def value(self) -> str:
        """The meaning's value, or an empty string."""
        return self.meaning.value if self.meaning else ""


@dataclass(slots=True)
class _Node:
    meaning: Meaning | None = None
    following: dict[str, _Node] = field(default_factory=dict)


class Lexicon:
    """The words of one language."""

    def __init__(self) -> None:
        self._root = _Node()
        self.containers: set[str] = set()
        self.plurals: set[str] = set()

    def add(self, phrase: str, meaning: Meaning) -> None:
        """Give a phrase its meaning, unless it has one already."""
        tokens = _phrase_tokens(phrase)
        if not tokens:
            return
        for texts in {tokens, tuple(stem(text) for text in tokens)}:
            node = self._root
            for text in texts:
                node = node.following.setdefault(text, _Node())
            node.meaning = node.meaning or meaning

    def longest(self, tokens: Sequence[Token], start: int) -> Match | None:
        """Find the longest known phrase that begins at `start`; of two equally long ones the less inflected."""
        best: Match | None = None
        for end, meaning, is_plural in _walk(self._root, tokens, start):
            if best is None or end - start > len(best.tokens):
                plural = is_plural or tokens[end - 1].text in self.plurals
                best = Match(tuple(tokens[start:end]), meaning, plural)
        return best


@lru_cache(maxsize=32)
def lexicon(language: str) -> Lexicon:
    """Load one language, once per process."""
    words = Lexicon()
    sections = _language_file(language)
    for kind in Kind:
        for value, phrases in sections.get(kind, {}).items():
            for phrase in _split(phrases):
                if kind is Kind.CONTAINER:
                    words.containers.add(normalize(phrase))
                else:
                    words.add(phrase, Meaning(kind, value))
    words.plurals = {normalize(word) for word in _split(sections.get("plurals", {}).get("words", ""))}
    silly = {normalize(word) for word in _split(sections.get("not_things", {}).get("words", ""))}
    for name, sprite in _emoji_names(language):
        if normalize(name) not in silly:
            words.add(name, Meaning(Kind.THING, sprite))
    return words


@lru_cache(maxsize=32)
def function_words(language: str) -> frozenset[str]:
    """Return the single words that give a language away: silent words, relations, numbers and colours."""
    sections = _language_file(language)
    lists = [words for section in _GRAMMAR for words in sections.get(section, {}).values()]
    phrases = _split(sections.get("silent", {}).get("words", ""), *lists)
    return frozenset(normalize(phrase) for phrase in phrases if " " not in phrase)


def _walk(
    node: _Node, tokens: Sequence[Token], position: int, *, is_plural: bool = False
) -> Iterator[tuple[int, Meaning, bool]]:
    if node.meaning:
        yield position, node.meaning, is_plural
    if position < len(tokens) and not tokens[position].is_emoji and not tokens[position].is_break:
        for form, plural in forms(tokens[position].text):
            if (following := node.following.get(form)) is not None:
                yield from _walk(following, tokens, position + 1, is_plural=plural)


def _phrase_tokens(phrase: str) -> tuple[str, ...]:
    if phrase.isascii() and phrase.replace(" ", "").isalpha():  # the common case, and much faster
        return tuple(phrase.casefold().split())
    return tuple(token.text for token in tokenize(phrase) if not token.is_break and not token.is_emoji)


def _split(*lists: str) -> list[str]:
    return [phrase for words in lists for part in words.split(",") if (phrase := " ".join(part.split()))]


@lru_cache(maxsize=32)
def _language_file(language: str) -> dict[str, Any]:
    if language not in LANGUAGES_WITH_FILES:
        return {}
    file = resources.files("nbkit.engines.collage") / "languages" / f"{language}.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))


def _emoji_names(language: str) -> list[tuple[str, str]]:
    """List names, then aliases, of the emoji that a word may stand for; older emoji first."""
    import emoji

    emoji.config.load_language(language)
    nameable = [
        (facts["E"], sprite, facts)
        for sprite, facts in emoji.EMOJI_DATA.items()
        if facts["status"] == emoji.STATUS["fully_qualified"]
        and facts["E"] <= NEWEST_EMOJI_IN_FONT
        and is_nameable(sprite)
    ]
    nameable.sort(key=lambda entry: entry[:2])
    names = [(facts.get(language, ""), sprite) for _, sprite, facts in nameable]
    if language == "en":
        names += [(alias, sprite) for _, sprite, facts in nameable for alias in facts.get("alias", ())]
    return [(name.strip(":").replace("_", " ").replace("-", " "), sprite) for name, sprite in names if name]
