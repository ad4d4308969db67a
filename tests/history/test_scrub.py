from __future__ import annotations

import json
import random
import string
import uuid

import pytest
from hypothesis import given, strategies as st

from nbkit.credentials import Key
from nbkit.history.rows import written
from nbkit.history.scrub import MARK, scrub, scrub_text

FAL = "0a1b2c3d-0a1b-2c3d-4e5f-0123456789ab:0123456789abcdef0123456789abcdef"
LINE = "MIIEowIBAAKCAQEA7Zq1x9Pz3kF5vN8wYtB2sR6uH4jL0mCd"
PEM = f"-----BEGIN RSA PRIVATE KEY-----\n{LINE}\n{LINE}\n-----END RSA PRIVATE KEY-----"
SECRETS = {
    FAL: "0123456789abcdef0123",
    "Authorization: Bearer abcdefgh12345678": "abcdefgh12345678",
    "Key s0me-th1ng-long": "s0me-th1ng-long",
    "app-AbCdEfGhIjKlMnOpQr12StUv": "AbCdEfGh",
    "sk-proj-abcdefghijklmnop1234": "abcdefghijkl",
    "hf_AbCdEfGhIjKlMnOpQrStUv12345678": "AbCdEfGh",
    "ghp_AbCdEfGhIjKlMnOpQrStUv12345678901234": "AbCdEfGh",
    "AKIAQ3EGRZ7LWX5TU2NB": "Q3EGRZ7L",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-DEF": "eyJzdWIi",
    PEM: "MIIEow",
    PEM[:100]: "MIIEow",
    "https://me:pass@word@host.example/a": "word",
    "https://files.example/a.png?x=1&X-Amz-Signature=0123abc&y=2": "0123abc",
    "https://files.example/a.png?token=abc": "abc",
    "https://files.example/a?sign=0123abc&timestamp=1": "0123abc",
    'client = Client(key="very private")': "very private",
    "api_key = 'very private'": "very private",
    "%env FAL_KEY=private9": "private9",
}
HARMLESS = (
    "a key to the city, the key ingredients and a basic understanding",
    "a token of love; tokens: 12; sign here, author unknown, high light",
    "https://files.example/a.png?width=512&seed=7#part",
    "mail me@example.org at 12:30:45, ratio 16:9",
    "task-app-store, sk-8 shoes and hf_ radio",
    "0a1b2c3d-0a1b-2c3d-4e5f-0123456789ab",
)


@pytest.mark.parametrize(("text", "secret"), SECRETS.items())
def test_a_secret_is_taken_out_wherever_it_stands(text: str, secret: str) -> None:
    """Keys of the known shapes, signatures and passwords are not kept, in whatever text they were."""
    for value in (text, f"before {text} after", {"a": [text]}, {text: 1}, [{"deep": {"er": text}}]):
        assert secret in json.dumps(value)
        assert secret not in written(value)
        assert "removed]" in written(value)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_stays(text: str) -> None:
    """A prompt that speaks of keys is kept word for word."""
    assert scrub_text(text) == text
    assert json.loads(written({"prompt": text})) == {"prompt": text}


def test_a_key_in_use_is_taken_out_though_it_has_no_shape() -> None:
    """Whatever key was given to nbkit, it is known as one from then on; so are its parts."""
    for key in ("no-shape/at%all", 'quote"back\\slash', "first-part_one:second-part_two"):
        Key(key, "a test")
        for text in (f"it is {key}!", f"x={key.rpartition(':')[2]}"):
            assert "removed]" in scrub_text(text)
            assert key.rpartition(":")[2] not in scrub_text(text)
            assert json.dumps(key)[1:-1] not in written({"a": [text]})


def test_a_short_key_in_use_takes_no_words_away() -> None:
    """A key like `cat`, which only a server on this machine takes, leaves the prompts alone."""
    Key("cat", "a test")

    assert scrub_text("a cat") == "a cat"


def test_what_a_name_calls_secret_is_one() -> None:
    """A header or a field that is called so is not kept, whatever its value looks like."""
    kept = scrub(
        {"Authorization": "short", "api_key": "k", "password": "p", "max_tokens": "12", "secret": None}
    )

    assert kept == {
        "Authorization": MARK,
        "api_key": MARK,
        "password": MARK,
        "max_tokens": "12",
        "secret": None,
    }


_AROUND = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_ALNUM = string.ascii_letters + string.digits
_BEFORE = st.sampled_from(["", " ", "=", "'", '"', "\n", "(", "键", ": "])


@given(_AROUND, _BEFORE, st.integers(0), _AROUND)
def test_no_key_is_kept_whatever_stands_around_it(before: str, edge: str, seed: int, after: str) -> None:
    """Among whatever characters a key stands alone, none of its secret part is left, and the rest is valid JSON."""
    draw = random.Random(seed)  # noqa: S311 - it opens nothing
    digits = "".join(draw.choices("0123456789abcdef", k=32))
    letters = "".join(draw.choices(_ALNUM, k=34)) + "aB3"
    secrets = [f"{uuid.UUID(int=draw.getrandbits(128))}:{digits}", f"sk-{letters}", f"hf_{letters}"]
    for secret in (*secrets, f"Authorization: Key {letters}"):
        text = written({"a": f"{before} {edge}{secret} {after}"})

        assert digits not in text
        assert letters not in text
        assert isinstance(json.loads(text)["a"], str)


@given(st.text())
def test_scrubbing_twice_changes_nothing(text: str) -> None:
    """What was scrubbed stays as it is, so that a record can be written again."""
    once = scrub_text(text)

    assert scrub_text(once) == once


def test_a_key_at_the_place_where_a_text_is_cut_is_taken_out() -> None:
    """A long text is cut after the keys in it are taken out: half of a key would not be known as one."""
    for before in range(65536 - 60, 65536, 7):
        text = written({"a": f"{'x ' * (before // 2)} {FAL} {'y ' * 1000}"})

        assert FAL[:12] not in text
        assert "characters cut]" in text
