from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from nbkit.errors import InputError
from nbkit.model.endpoint import Endpoint

SEGMENT = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,12}", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "app", "path", "provider"),
    [
        ("fal-ai/flux/dev", "fal-ai/flux", "dev", "fal"),
        ("fal-ai/flux", "fal-ai/flux", "", "fal"),
        (" /acme/imgen/v2/edit/ ", "acme/imgen", "v2/edit", "fal"),
        ("workflows/ann/sticker", "workflows/ann/sticker", "", "fal"),
        ("workflows/execute", "workflows/execute", "", "fal"),
        ("comfy/ann/graph/x", "comfy/ann/graph", "x", "fal"),
        ("110602490-lora", "110602490/lora", "", "fal"),
        ("local/collage", "local/collage", "", "local"),
        ("dify/default", "dify/default", "", "dify"),
        ("workflows/local/sticker", "workflows/local/sticker", "", "fal"),
    ],
)
def test_ids_as_people_write_them(text: str, app: str, path: str, provider: str) -> None:
    """An id says who is called, what for, and who answers."""
    endpoint = Endpoint.parse(text)

    assert (endpoint.app, endpoint.path, endpoint.provider) == (app, path, provider)
    assert endpoint.is_workflow is text.strip(" /").startswith("workflows/")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "flux",
        "a//b",
        "a/../b",
        "a/b/..",
        "a/b?x=1",
        "a/b#c",
        "a b/c",
        "workflows",
        "workflows/ann",
        "é/x",
        "a/b\n\nc",
    ],
)
def test_what_is_no_id_is_refused(text: str) -> None:
    """A wrong id is refused before anything is sent, with an example of a right one."""
    with pytest.raises(InputError, match="is not an endpoint") as caught:
        Endpoint.parse(text)

    assert caught.value.field == "endpoint"
    assert "fal-ai/flux/schnell" in caught.value.hint


@pytest.mark.parametrize(
    "url", ["https://fal.ai/models/fal-ai/flux/dev", "https://queue.fal.run/fal-ai/flux/dev?a=b"]
)
def test_the_address_of_a_page_is_turned_into_advice(url: str) -> None:
    """Who pastes a page's address is told the id in it."""
    with pytest.raises(InputError, match="write the id alone: fal-ai/flux/dev"):
        Endpoint.parse(url)


def test_only_text_is_an_id() -> None:
    """A number or a missing value is told as what it is."""
    with pytest.raises(InputError, match="not NoneType"):
        Endpoint.parse(None)  # type: ignore[arg-type]


@given(st.lists(SEGMENT, min_size=2, max_size=6).map("/".join))
def test_ids_survive_reading_and_writing(text: str) -> None:
    """What is read and written again is the same."""
    try:
        endpoint = Endpoint.parse(text)
    except InputError:
        assert text.startswith(("workflows/", "comfy/"))
        return
    assert str(endpoint) == text
    assert Endpoint.parse(str(endpoint)) == endpoint


@given(st.text())
def test_any_text_is_an_id_or_an_error_of_ours(text: str) -> None:
    """Nothing that could change an address gets through."""
    try:
        endpoint = str(Endpoint.parse(text))
    except InputError:
        return
    assert not set(endpoint) & set("?#%\\@: \r\n\t")
    assert ".." not in endpoint.split("/")
