"""Tokens to matches: which language a prompt is in, and the longest phrase at each place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nbkit.engines.collage.lexicon import Kind, Lexicon, Match, Meaning, function_words, lexicon
from nbkit.engines.collage.sprite_facts import painted_as

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbkit.engines.collage.tokens import Token

MAX_TOKENS = 1_200
"""Tokens beyond these are not read; a picture holds far fewer things."""

_LATIN_LANGUAGES = ("en", "es", "de", "fr", "it", "pt", "id", "tr")
_SCRIPTS = (
    (re.compile(r"[\u3040-\u30ff]"), ("ja", "zh")),
    (re.compile(r"[\u3400-\u9fff\uf900-\ufaff々]"), ("zh", "ja")),
    (re.compile(r"[\uac00-\ud7af]"), ("ko",)),
    (re.compile(r"[\u0400-\u04ff]"), ("ru",)),
    (re.compile(r"[\u0600-\u06ff]"), ("ar", "fa")),
)
_KANA = _SCRIPTS[0][0]


def match_all(tokens: Sequence[Token]) -> list[Match]:
    """Cover the tokens with matches from left to right, longest first; unknown words stand alone."""
    tokens = tokens[:MAX_TOKENS]
    latin = _latin_languages(tokens)
    has_kana = any(_KANA.search(token.text) for token in tokens)
    matches: list[Match] = []
    position = 0
    while position < len(tokens):
        languages = _languages_of(tokens[position], latin, has_kana=has_kana)
        match = _match_at(tokens, position, languages)
        if _continues_unknown(matches, match):
            matches[-1] = Match((*matches[-1].tokens, *match.tokens), None)
        else:
            matches.append(match)
        position += len(match.tokens)
    return matches


def languages_of(tokens: Sequence[Token]) -> set[str]:
    """Name the languages that the words of a prompt are looked up in first."""
    latin = _latin_languages(tokens)[:1]
    has_kana = any(_KANA.search(token.text) for token in tokens)
    return {_languages_of(token, latin, has_kana=has_kana)[0] for token in tokens[:MAX_TOKENS]}


def _match_at(tokens: Sequence[Token], position: int, languages: Sequence[str]) -> Match:
    token = tokens[position]
    if token.is_emoji:
        section, value = painted_as(token.text) or (Kind.THING, token.text)
        return Match((token,), Meaning(Kind(section), value))
    if token.is_break:
        return Match((token,), None)
    best: Match | None = None
    for language in languages:
        match = _longest(language, tokens, position)
        if match and (best is None or len(match.tokens) > len(best.tokens)):
            best = match
        if best and not token.is_cjk:
            break  # words with spaces around them: the first language that knows one is right
    if best:
        return best
    if token.text.isdecimal():
        return Match((token,), Meaning(Kind.COUNT, str(int(token.text[:4]))))
    return Match((token,), None)


def _longest(language: str, tokens: Sequence[Token], position: int) -> Match | None:
    words: Lexicon = lexicon(language)
    return words.longest(tokens, position)


def _continues_unknown(matches: list[Match], match: Match) -> bool:
    """Characters of a script without spaces that nobody knows are one unknown word, not many."""
    if not matches or match.meaning or matches[-1].meaning:
        return False
    previous, token = matches[-1].tokens[-1], match.tokens[0]
    return previous.is_cjk and token.is_cjk and not token.after_space


def _languages_of(token: Token, latin: Sequence[str], *, has_kana: bool) -> Sequence[str]:
    for script, languages in _SCRIPTS:
        if script.search(token.text):
            return ("ja", "zh") if has_kana and "zh" in languages else languages
    return latin


def _latin_languages(tokens: Sequence[Token]) -> Sequence[str]:
    """Choose languages by their small words; without any, every language may help out after English."""
    texts = [token.text for token in tokens if token.text.isascii()]
    votes = {
        language: sum(text in function_words(language) for text in texts) for language in _LATIN_LANGUAGES
    }
    most = max(votes.values())
    winners = [language for language in _LATIN_LANGUAGES if votes[language] == most]
    if not most:
        return _LATIN_LANGUAGES
    return ("en",) if "en" in winners else (*winners, "en")
