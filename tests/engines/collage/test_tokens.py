from nbkit.engines.collage.tokens import MAX_CHARACTERS, tokenize


def test_only_the_beginning_of_a_huge_prompt_is_read() -> None:
    """Reading is bounded, whatever is sent."""
    assert len(tokenize("a " * 100_000)) == MAX_CHARACTERS // 2


def test_words_characters_emoji_and_breaks() -> None:
    """Words are split at spaces, Chinese at every character, emoji stay whole."""
    tokens = tokenize("Café's hot-dog, 三只猫👩‍🚀!")

    assert [token.text for token in tokens] == ["cafe", "hot", "dog", ",", "三", "只", "猫", "👩‍🚀", ","]
    assert [token.is_emoji for token in tokens].index(True) == 7


def test_invisible_letters_do_not_split_words() -> None:
    """Zero-width and bidirectional marks inside a word vanish."""
    assert [token.text for token in tokenize("ca\u200bt \u202edog")] == ["cat", "dog"]
