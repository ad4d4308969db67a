"""Matches to a brief: what is in the picture, how many, in which colours, where, and in which style."""

from __future__ import annotations

from dataclasses import dataclass, field

from nbkit.engines.collage.lexicon import Kind, Match, Meaning, lexicon
from nbkit.engines.collage.matching import languages_of, match_all
from nbkit.engines.collage.sprite_facts import costume_of, sprite_facts
from nbkit.engines.collage.tokens import normalize, tokenize

MAX_THINGS = 14
"""Different things in one picture; further ones would only be specks."""

MAX_OF_ONE_THING = 12
MAX_UNMATCHED = 200
_A_FEW = 3
_GOVERNING = frozenset({"on", "under", "beside", "front", "behind", "above", "in", "riding", "with"})
_CYRILLIC = frozenset(
    map(chr, range(0x400, 0x500))
)  # after a preposition its singular often ends like a plural
_WEATHER_THINGS = {
    "stars": "⭐",
    "moon": "🌙",
    "sun": "🌞",
    "clouds": "☁️",
    "snow": "❄️",
}  # in a colour: "golden star"
_DRESSING = frozenset({"in", "with", "wearing"})
_FUNCTION_WORDS = (Kind.SILENT, Kind.RELATION, Kind.COUNT)
_SOLID_PLACES = ("table", "room", "underwater", "space", "stage", "moonscape")
_FAR_PLACES = ("mountains", "forest", "city", "sea")
_ADJECTIVE_FOLLOWS = frozenset({"es", "fr", "it", "pt", "id", "ar", "fa"})


@dataclass(slots=True)
class Thing:
    """A noun of the prompt.

    Attributes:
        sprite: The emoji that draws it.
        count: How many.
        colours: Names of colours, taken in turn where there are several; empty for its own.
        is_aloft: The prompt puts it above the place.
    """

    sprite: str
    count: int = 1
    colours: tuple[str, ...] = ()
    is_aloft: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """A relation between two things, by their index."""

    subject: int
    relation: str
    target: int


@dataclass(slots=True)
class Brief:
    """Everything the composer needs to know about a picture."""

    things: list[Thing] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    light: str = ""
    weather: list[str] = field(default_factory=list)
    styles: list[str] = field(default_factory=list)
    tint: str = ""
    is_closeup: bool = False
    matched: list[str] = field(default_factory=list)
    unmatched: list[str] = field(default_factory=list)

    @property
    def place(self) -> str:
        """The place that the picture is painted as, empty where none was named."""
        return next((place for place in self.places if place in _SOLID_PLACES), (self.places or [""])[0])

    @property
    def far_place(self) -> str:
        """A second place, to be seen in the distance."""
        return next((place for place in self.places if place in _FAR_PLACES and place != self.place), "")


def read(prompt: str, *, negative_prompt: str = "") -> Brief:
    """Understand a prompt; nouns of the negative prompt are left out.

    Raises:
        EngineError: A package with the words is not installed.
    """
    unwanted = {(match.kind, match.value) for match in match_all(tokenize(negative_prompt)) if match.meaning}
    tokens = tokenize(prompt)
    reader = _Reader(languages_of(tokens), unwanted)
    reader.follow(match_all(tokens))
    return reader.brief


class _Reader:
    """Walks over matches and keeps what waits for its noun."""

    def __init__(self, languages: set[str], unwanted: set[tuple[Kind | None, str]]) -> None:
        self.brief = Brief()
        self._adjective_follows = bool(languages & _ADJECTIVE_FOLLOWS)
        self._containers = {word for language in languages for word in lexicon(language).containers}
        self._unwanted = unwanted
        self._count, self._count_word = 0, ""
        self._colours: list[str] = []
        self._relation = ""
        self._before_noun = ""
        self._previous: Match | None = None

    def follow(self, matches: list[Match]) -> None:
        for position, match in enumerate(matches):
            if match.meaning is None:
                self._unknown(match)
            elif (match.kind, match.value) not in self._unwanted:
                if match.kind is Kind.THING and self._count_word:
                    self._note(self.brief.matched, self._count_word)
                if match.kind not in _FUNCTION_WORDS:
                    self._note(self.brief.matched, match.surface)
                self._understand(match, matches[position + 1 :])
            self._previous = match
        if self._colours and not self.brief.things:
            self.brief.tint = self._colours[0]

    def _unknown(self, match: Match) -> None:
        if match.tokens[0].is_break:
            self._count, self._count_word, self._relation = 0, "", ""
        else:
            self._note(self.brief.unmatched, match.surface)

    def _note(self, words: list[str], surface: str) -> None:
        if surface not in words and len(words) < MAX_UNMATCHED:
            words.append(surface)

    def _understand(self, match: Match, following: list[Match]) -> None:  # noqa: C901 - one case for each kind of word
        value, brief = match.value, self.brief
        match match.kind:
            case Kind.THING:
                if not self._holds_the_next(match, following):
                    self._thing(match)
            case Kind.PLACE:
                self._place(value)
            case Kind.LIGHT:
                brief.light = brief.light or value
            case Kind.WEATHER:
                self._weather(match)
            case Kind.STYLE:
                self._append(brief.styles, value)
            case Kind.COLOUR:
                self._colour(value)
            case Kind.COUNT:
                self._count, self._count_word = max(1, min(int(value), MAX_OF_ONE_THING)), match.surface
            case Kind.RELATION:
                self._relate_next(value)
            case Kind.CLOSEUP:
                brief.is_closeup = True

    def _relate_next(self, relation: str) -> None:
        if self._previous and self._previous.kind is not Kind.COLOUR:
            self._forget_pending()  # "a red gizmo and a star": the red was not for the star
        self._relation = relation

    def _weather(self, match: Match) -> None:
        if self._colours and match.value in _WEATHER_THINGS:
            sprite = Meaning(Kind.THING, _WEATHER_THINGS[match.value])
            self._thing(Match(match.tokens, sprite, match.is_plural))
        else:
            self._append(self.brief.weather, match.value)
            self._forget_pending()

    @staticmethod
    def _append(values: list[str], value: str) -> None:
        if value not in values:
            values.append(value)

    def _holds_the_next(self, match: Match, following: list[Match]) -> bool:
        """A cup of coffee is one thing: the word of the vessel gives way to what is in it."""
        if normalize(match.tokens[-1].surface).rstrip("s") not in {
            word.rstrip("s") for word in self._containers
        }:
            return False
        rest = [after for after in following[:4] if after.kind is not Kind.COLOUR]
        if len(rest) < 2 or rest[0].surface.casefold() not in {"of", "de", "di", "mit"}:  # noqa: PLR2004 - "of", noun
            return False
        if not self._count and match.is_plural:
            self._count = _A_FEW
        return rest[1].kind is Kind.THING

    def _thing(self, match: Match) -> None:
        things = self.brief.things
        same = next((index for index, thing in enumerate(things) if thing.sprite == match.value), None)
        touches = self._previous is not None and self._previous.kind is Kind.THING and not self._count
        if same is not None and touches and same == len(things) - 1 and not match.tokens[0].is_emoji:
            return  # two words for one thing: "coffee cup"
        if len(things) >= MAX_THINGS:
            return
        is_plural = match.is_plural and not (
            self._relation in _GOVERNING and match.tokens[0].text[0] in _CYRILLIC
        )
        count = self._count or (_A_FEW if is_plural else 1)
        things.append(Thing(match.value, count, tuple(self._colours)))
        if len(things) == 1 and self._relation:
            self._before_noun = self._relation  # "骑着自行车的猫": the rider comes last
        elif len(things) > 1:
            self._relate(touches=touches and not match.tokens[0].is_emoji)
        self._forget_pending()

    def _relate(self, *, touches: bool) -> None:
        """Link the newest thing to the one it relates to."""
        things, links, target = self.brief.things, self.brief.links, len(self.brief.things) - 1
        newest = sprite_facts(things[target].sprite)
        if self._before_noun and not self._relation:
            self._relation, self._before_noun = self._before_noun, ""
            links.append(Link(target, self._precise(target, target - 1), target - 1))
        elif self._relation == "and":
            # "wearing a scarf and sunglasses": both belong to the wearer.
            if (
                links
                and links[-1].target == target - 1
                and links[-1].relation == "wearing"
                and newest.is_wearable
            ):
                links.append(Link(links[-1].subject, "wearing", target))
        elif self._relation:
            subject = self._owner(target - 1)
            if (
                newest.is_garment
                and sprite_facts(things[subject].sprite).is_person
                and self._relation in _DRESSING
            ):
                things[subject].colours = things.pop().colours  # the person's own clothes take the colour
            else:
                links.append(Link(subject, self._precise(subject, target), target))
        elif touches and newest.is_animate and (costume := costume_of(things[target - 1].sprite)):
            things[target - 1].sprite = costume
            links.append(Link(target, "wearing", target - 1))

    def _owner(self, subject: int) -> int:
        """Whoever wears or rides the thing: "a cat in a hat next to a dog" puts the dog beside the cat."""
        for link in reversed(self.brief.links):
            if link.target == subject and link.relation in {"wearing", "holding"}:
                return link.subject
        return subject

    def _precise(self, subject: int, target: int) -> str:
        """Sharpen a vague word by what the two things are: with a hat, in a hat, on a bicycle."""
        owner, thing = (sprite_facts(self.brief.things[index].sprite) for index in (subject, target))
        relation = self._relation
        if relation in {"with", "in", "holding"} and thing.is_wearable and owner.is_animate:
            return "wearing"
        if relation == "on" and thing.is_rideable and owner.is_animate:
            return "riding"
        if relation == "with" and thing.is_held and owner.is_animate and self.brief.things[target].count == 1:
            return "holding"
        if relation == "with" or (relation == "wearing" and not thing.is_wearable):
            return "beside"
        return relation

    def _place(self, value: str) -> None:
        if self._relation == "above" and self.brief.things:
            self.brief.things[-1].is_aloft = True
        self._append(self.brief.places, value)
        self._forget_pending()

    def _forget_pending(self) -> None:
        self._count, self._count_word, self._colours, self._relation = 0, "", [], ""

    def _colour(self, value: str) -> None:
        previous = self._previous
        if self._adjective_follows and previous and previous.kind is Kind.THING and self.brief.things:
            self.brief.things[-1].colours += (value,)
        elif value not in self._colours:
            self._colours.append(value)
