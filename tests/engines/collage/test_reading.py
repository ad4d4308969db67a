import pytest

from nbkit.engines.collage.reading import Brief, Link, read


def sprites(brief: Brief) -> list[str]:
    """Name what is in the picture."""
    return [thing.sprite for thing in brief.things]


@pytest.mark.parametrize(
    ("prompt", "sprite", "count"),
    [
        ("three cats", "🐈", 3),
        ("2 dogs", "🐕", 2),
        ("a pair of owls", "🦉", 2),
        ("a dozen roses", "🌹", 12),
        ("one horse", "🐎", 1),
        ("butterflies", "🦋", 3),
        ("a hundred wolves", "🐺", 3),
        ("999 foxes", "🦊", 12),
        ("三只猫", "🐈", 3),
        ("一群羊", "🐑", 5),
        ("две собаки", "🐕", 2),
        ("пять кошек", "🐈", 5),
        ("dos gatos", "🐈", 2),
        ("drei Katzen", "🐈", 3),
    ],
)
def test_counts(prompt: str, sprite: str, count: int) -> None:
    """Number words, numerals, "a pair of" and plurals decide how many are drawn."""
    (thing,) = read(prompt).things

    assert (thing.sprite, thing.count) == (sprite, count)


@pytest.mark.parametrize(
    ("prompt", "colours"),
    [
        ("a red balloon", ("red",)),
        ("red, blue and green balloons", ("red", "blue", "green")),
        ("a balloon", ()),
        ("un globo azul", ("blue",)),
        ("un ballon vert", ("green",)),
        ("красный воздушный шар", ("red",)),
        ("синего шарика", ("blue",)),
        ("红色的气球", ("red",)),
        ("ein grüner Ballon", ("green",)),
        ("a red gizmo and a balloon", ()),
    ],
)
def test_colours(prompt: str, colours: tuple[str, ...]) -> None:
    """A colour belongs to its noun, before it or, where the language says so, after it."""
    (thing,) = read(prompt).things

    assert thing.sprite == "🎈"
    assert thing.colours == colours


@pytest.mark.parametrize(
    ("prompt", "relation"),
    [
        ("a cat on a chair", "on"),
        ("a cat riding a bicycle", "riding"),
        ("a cat on a bicycle", "riding"),
        ("a cat in a box", "in"),
        ("a cat under a tree", "under"),
        ("a cat next to a dog", "beside"),
        ("a cat in front of a house", "front"),
        ("a cat behind a tree", "behind"),
        ("a bird above a castle", "above"),
        ("a girl holding a balloon", "holding"),
        ("a girl with a balloon", "holding"),
        ("a cat wearing a hat", "wearing"),
        ("a cat with a hat", "wearing"),
        ("a cat in a hat", "wearing"),
        ("кот на велосипеде", "riding"),
        ("кошка под деревом", "under"),
        ("собака в коробке", "in"),
        ("космонавт верхом на лошади", "riding"),
        ("猫骑自行车", "riding"),
        ("女孩拿着气球", "holding"),
        ("小狗坐在椅子上", "on"),
        ("un chat sur une chaise", "on"),
        ("eine Katze unter einem Baum", "under"),
    ],
)
def test_relations(prompt: str, relation: str) -> None:
    """Small words between two nouns say how the two are arranged."""
    brief = read(prompt)

    assert brief.links == [Link(0, relation, 1)]
    assert [thing.count for thing in brief.things] == [1, 1]


def test_clothes_after_and_have_the_same_wearer() -> None:
    """A scarf and sunglasses are worn by the same penguin."""
    brief = read("a penguin wearing a scarf and sunglasses")

    assert brief.links == [Link(0, "wearing", 1), Link(0, "wearing", 2)]


@pytest.mark.parametrize(("prompt", "relation"), [("戴着帽子的狗", "wearing"), ("骑着自行车的猫", "riding")])
def test_rider_may_come_after_what_is_ridden(prompt: str, relation: str) -> None:
    """In Chinese the one who rides or wears is named last."""
    assert read(prompt).links == [Link(1, relation, 0)]


def test_clothes_of_a_person_take_their_colour() -> None:
    """A woman in a yellow dress is one figure with yellow clothes."""
    (woman,) = read("a woman in a yellow dress").things

    assert (woman.sprite, woman.colours) == ("👩", ("yellow",))


def test_animal_called_after_a_profession_wears_its_mark() -> None:
    """A wizard cat is a cat with a hat, not a cat beside a wizard."""
    brief = read("a wizard cat portrait")

    assert sprites(brief) == ["wizard-hat", "🐈"]
    assert brief.links == [Link(1, "wearing", 0)]
    assert brief.is_closeup


@pytest.mark.parametrize(
    ("prompt", "sprite"),
    [
        ("hot dog", "🌭"),
        ("a polar bear", "🐻‍❄️"),
        ("fire engine", "🚒"),
        ("an ice cream", "🍦"),
        ("teddy bear", "🧸"),
        ("a cup of coffee", "☕"),
        ("a coffee cup", "☕"),
        ("a glass of milk", "🥛"),
        ("a slice of pizza", "🍕"),
        ("a bottle of wine", "🍷"),
        ("чашка кофе", "☕"),
        ("一杯咖啡", "☕"),
        ("大熊猫", "🐼"),
        ("белый медведь", "🐻‍❄️"),
        ("🦖", "🦖"),
        ("🧑🏽‍🚀", "🧑🏽‍🚀"),
    ],
)
def test_words_that_name_one_thing_together(prompt: str, sprite: str) -> None:
    """A compound, a vessel with what is in it, and a typed emoji are each one thing."""
    brief = read(prompt)

    assert sprites(brief) == [sprite]
    assert brief.things[0].count == 1
    assert brief.unmatched == []


@pytest.mark.parametrize(
    ("prompt", "place"),
    [
        ("a cat on the beach", "beach"),
        ("a garden", "meadow"),
        ("whale under the sea", "underwater"),
        ("a cup on the table", "table"),
        ("astronaut on the moon", "moonscape"),
        ("海滩上的猫", "beach"),
        ("城市夜景", "city"),
        ("собака в лесу", "forest"),
        ("воздушный шар над городом", "city"),
        ("un perro en la playa", "beach"),
        ("砂漠のラクダ", "desert"),
        ("해변의 고양이", "beach"),
        ("kucing di pantai", "beach"),
        ("🏖️🐈", "beach"),
    ],
)
def test_places(prompt: str, place: str) -> None:
    """A word for a place is painted, and no sprite stands for it."""
    brief = read(prompt)

    assert brief.place == place
    assert not {"🐌", "🏡", "🏖️", "🏙️"} & set(sprites(brief))


def test_light_weather_and_style() -> None:
    """Time of day, weather and style are understood beside the nouns."""
    brief = read("watercolor of a fox in the forest at sunset, light rain, autumn")

    assert sprites(brief) == ["🦊"]
    assert (brief.place, brief.light, brief.styles) == ("forest", "sunset", ["watercolour"])
    assert {"rain", "autumn"} <= set(brief.weather)


def test_balloon_over_a_place_is_in_the_air() -> None:
    """Something above a place flies."""
    assert read("a cat over the city").things[0].is_aloft


def test_praise_and_camera_words_draw_nothing() -> None:
    """Words about quality and cameras are neither drawn nor reported."""
    brief = read(
        "photo of a cute cat, masterpiece, 4k, highly detailed, cinematic lighting, trending on artstation"
    )

    assert sprites(brief) == ["🐈"]
    assert brief.matched == ["cat"]
    assert brief.unmatched == []


def test_words_are_reported_as_they_were_written() -> None:
    """Matched and unmatched words come back as the author wrote them, small words in neither list."""
    brief = read("Three Cats and a Flumadiddle on the Beach")

    assert brief.matched == ["Three", "Cats", "Beach"]
    assert brief.unmatched == ["Flumadiddle"]


def test_unknown_chinese_is_one_word() -> None:
    """Characters that nobody knows are reported together."""
    assert read("饕餮龘龘").unmatched == ["饕餮龘龘"]


def test_negative_prompt_takes_nouns_away() -> None:
    """What the negative prompt names is not drawn, whatever word names it."""
    brief = read("a cat and a dog on the beach", negative_prompt="puppies, beach")

    assert sprites(brief) == ["🐈"]
    assert brief.places == []


def test_control_characters_are_harmless() -> None:
    """Control and bidirectional characters between letters change nothing."""
    assert sprites(read("c\u200bat\x00 and\u202e a\x1b do\u2066g")) == ["🐈", "🐕"]


@pytest.mark.parametrize(
    "prompt", ["the end is back on top", "cool and new", "a dash of sweat, boom", "light and dark"]
)
def test_everyday_words_draw_no_buttons(prompt: str) -> None:
    """Names of arrows, buttons and grimaces are not mistaken for nouns."""
    assert sprites(read(prompt)) == []


def test_things_are_limited() -> None:
    """A picture holds a bounded number of things."""
    names = "cat dog fox owl cow pig goat horse duck frog bee ant rat wolf lion tiger bear panda snake whale shark"

    assert len(read(names.replace(" ", ", ")).things) <= 14
