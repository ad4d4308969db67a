from __future__ import annotations

import json
import random
import string
import time
import uuid

import pytest
from hypothesis import given, strategies as st

from nbkit.secrets import find_secrets, scrub

_draw = random.Random(7)  # noqa: S311 - these open nothing


def drawn(letters: str, count: int) -> str:
    """Characters as a service draws them for its keys."""
    return "".join(_draw.choices(letters, k=count))


def drawn_id() -> uuid.UUID:
    """An id as services draw them, the same in every process that collects the tests."""
    return uuid.UUID(int=_draw.getrandbits(128))


ALNUM = string.ascii_letters + string.digits
HEX = "0123456789abcdef"
FAL = f"{drawn_id()}:{drawn(HEX, 32)}"
PEM = "-----BEGIN {0}PRIVATE KEY-----\n{1}\n{1}\n-----END {0}PRIVATE KEY-----"
KEYS = {
    "fal": ("fal key", FAL),
    "dify": ("Dify key", f"app-{drawn(ALNUM, 24)}"),
    "dify-dataset": ("Dify key", f"dataset-{drawn(ALNUM, 24)}"),
    "openai": ("sk key", f"sk-{drawn(ALNUM, 48)}"),
    "openai-project": ("sk key", f"sk-proj-{drawn(ALNUM, 40)}_{drawn(ALNUM, 40)}-{drawn(ALNUM, 20)}"),
    "anthropic": ("sk key", f"sk-ant-api03-{drawn(ALNUM, 60)}"),
    "hugging-face": ("Hugging Face token", f"hf_{drawn(ALNUM, 34)}"),
    "replicate": ("Replicate token", f"r8_{drawn(ALNUM, 37)}"),
    "github": ("GitHub token", f"ghp_{drawn(ALNUM, 36)}"),
    "aws": ("AWS key", f"AKIA{drawn(string.ascii_uppercase + string.digits, 16)}"),
    "google": ("Google key", f"AIza{drawn(ALNUM + '-_', 34)}x"),
    "pem": ("private key", PEM.format("", drawn(ALNUM, 64))),
    "pem-rsa": ("private key", PEM.format("RSA ", drawn(ALNUM, 64))),
}
HARMLESS = [
    str(drawn_id()),
    f"{drawn_id()}:{drawn_id()}",
    f"{drawn_id().hex}:{drawn_id().hex}",
    f"sha256:{drawn(HEX, 64)}",
    f"{drawn_id()}:{drawn(HEX, 64)}",
    "app-507f1f77bcf86cd799439011",
    "app-navigation-container-main",
    "app-navigationcontainermainss",
    'id="sk-container-id-1" class="sk-estimator-doc-link fitted sk-text-repr-fallback"',
    "sk-your-api-key-goes-right-here",
    "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "a task-force and a risk-benefitratio1234567890123456",
    "hf_hub_download(repo_id, filename)",
    "hf_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "AKIAIOSFODNN7EXAMPLE",
    "-----BEGIN PRIVATE KEY-----\n…\n-----END PRIVATE KEY-----",
    "-----BEGIN PUBLIC KEY-----\n" + drawn(ALNUM, 64) + "\n-----END PUBLIC KEY-----",
    "Authorization: Key $FAL_KEY, Authorization: Bearer {token}",
    '{"Authorization": f"Bearer {os.environ[\'SOME_KEY\']}"}',
    "os.environ['FAL_KEY_SECRET'] = getpass.getpass()",
]


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize(
    "around",
    ["{}", "KEY={}\n", "key='{}',", "x\t{};", "<b>{}</b>", "?key={}&a=1", "键{}键", "end.{}."],
)
def test_a_key_is_found_wherever_it_stands(name: str, around: str) -> None:
    """Keys of every known service are found, alone, in code, in pages and in addresses."""
    kind, key = KEYS[name]
    text = around.format(key)
    (found,) = find_secrets(text)

    assert (found.kind, text[found.start : found.end]) == (kind, key)


@pytest.mark.parametrize("name", KEYS)
def test_a_key_is_found_inside_json(name: str) -> None:
    """A key that begins a line inside JSON is found, too."""
    kind, key = KEYS[name]
    (found,) = find_secrets(json.dumps({"source": ["a\n" + key]}))

    assert found.kind == kind


@pytest.mark.parametrize("scheme", ["Key", "Bearer", "bearer", "Basic"])
@pytest.mark.parametrize("around", ["Authorization: {}", '"authorization": "{}"', "-H 'Authorization: {}'"])
def test_a_key_of_any_service_is_known_by_its_header(scheme: str, around: str) -> None:
    """What stands behind `Authorization` is a key, whoever's."""
    token = drawn(ALNUM, 30)
    text = around.format(f"{scheme} {token}")

    assert scrub(text) == text.replace(token, "[authorization header removed]")


def test_a_key_that_happens_to_have_no_digit_is_one_too() -> None:
    """Capital and small letters at random are no words."""
    assert scrub("Authorization: Key gKMnwimpLOmauQltmXHdgyINfkRzrt") == (
        "Authorization: Key [authorization header removed]"
    )


def test_the_half_of_a_key_is_known_by_its_name() -> None:
    """A key for fal may be given in two halves, of which the second is the secret."""
    assert scrub(f'FAL_KEY_SECRET="{FAL[-32:]}"') == 'FAL_KEY_SECRET="[fal key removed]"'


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_like_a_key_is_left_alone(text: str) -> None:
    """Ids, hashes, class names, examples and public keys are no keys."""
    assert find_secrets(text) == []
    assert scrub(text) == text


def test_a_key_of_this_machine_is_found_whatever_it_looks_like() -> None:
    """A key that is known needs no shape."""
    assert (
        scrub("it is plain-words-only, here", ["plain-words-only"])
        == "it is [key of this machine removed], here"
    )


@pytest.mark.parametrize("name", KEYS)
def test_what_is_shown_of_a_key_does_not_open_anything(name: str) -> None:
    """A finding names a key by six characters, and does not hold it."""
    key = KEYS[name][1]
    (found,) = find_secrets(key)

    assert "…" in found.masked
    assert not any(key[at : at + 8] in repr(found) for at in range(30, len(key) - 30))
    assert key[10:30] not in repr(found) or name.startswith("pem")


def test_a_fal_key_is_shown_by_its_ends() -> None:
    """Who has several keys can tell which one it is."""
    assert find_secrets(FAL)[0].masked == f"{FAL[:4]}…:…{FAL[-2:]}"


@given(st.text(), st.sampled_from(sorted(KEYS)), st.text())
def test_no_key_is_left_where_it_was_scrubbed(before: str, name: str, after: str) -> None:
    """A scrubbed text is clean, keeps what stood around the key, and scrubbing it again changes nothing."""
    key = KEYS[name][1]
    clean = scrub(f"{before} {key} {after}", [key])

    assert key not in clean
    assert find_secrets(clean) == []
    assert clean.startswith(scrub(before))


def test_many_beginnings_are_read_in_no_time() -> None:
    """A text made to keep the search busy does not."""
    began = time.perf_counter()
    for part in (
        "-----BEGIN PRIVATE KEY-----",
        "Authorization: ",
        "sk-",
        "aaaaaaaa-",
        "secret_access_key    ",
    ):
        find_secrets(part * (500_000 // len(part)))

    assert time.perf_counter() - began < 5
