from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from nbkit.errors import ConfigError, InputError, ServiceError
from nbkit.model.checking import check
from nbkit.wire.dify.addresses import Place, file_identity
from nbkit.wire.dify.files import find_files, read_upload, upload_form, upload_name
from nbkit.wire.dify.parameters import read_parameters
from nbkit.wire.dify.refusals import read_refusal
from tests.dify_recordings import NEW, OLD, recording

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "url",
                    "type",
                    "transfer_method",
                    "remote_url",
                    "filename",
                    "extension",
                    "size",
                    "x",
                    "dify_model_identity",
                    "message",
                    "errors",
                    "code",
                    "variable",
                    "required",
                    "options",
                ]
            ),
            inner
            | st.sampled_from(
                ["__dify__file__", "/files/tools/a.png?sign=x", "http://api:5001/files/tools/a.png"]
            ),
            max_size=6,
        )
    ),
    max_leaves=14,
)
HERE = Place("https://dify.example/v1")
SIGNED = "/files/tools/abc.png?timestamp=1&nonce=2&sign=3="


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ("https://api.dify.ai/v1", "https://api.dify.ai/v1"),
        (" http://127.0.0.1:5001/ ", "http://127.0.0.1:5001/v1"),
        ("https://intra.example/dify/v1/", "https://intra.example/dify/v1"),
        ("https://user:secret@intra.example", "https://intra.example/v1"),
    ],
)
def test_a_base_url_as_people_write_it(given: str, base: str) -> None:
    """A server's address may be given with and without `/v1`."""
    assert Place.of(given).base == base


@pytest.mark.parametrize("given", ["", "dify", "ftp://x/v1", "http://", "http://x:port/v1"])
def test_no_base_url(given: str) -> None:
    """What is no address is refused, and not repeated: it may be a key in the wrong place."""
    with pytest.raises(ConfigError, match="is not an address"):
        Place.of(given)


def test_where_the_key_may_go() -> None:
    """The key goes to the API alone: not to its files, not to other hosts, not to look-alikes."""
    assert HERE.may_have_key(HERE.run)
    assert HERE.may_have_key(HERE.stop("t"))
    for url in (
        "https://dify.example/files/tools/a.png",
        "https://dify.example.evil/v1/x",
        "http://dify.example/v1/x",
        "https://dify.example/v1x",
        "https://x@evil.example/v1/",
    ):
        assert not HERE.may_have_key(url)
    assert HERE.detail("a/../b") == "https://dify.example/v1/workflows/run/a%2F..%2Fb"


@pytest.mark.parametrize(
    ("url", "addresses"),
    [
        (SIGNED, [f"https://dify.example{SIGNED}"]),
        (
            f"https://files.example{SIGNED}",
            [f"https://files.example{SIGNED}", f"https://dify.example{SIGNED}"],
        ),
        (f"http://api:5001{SIGNED}", [f"https://dify.example{SIGNED}", f"http://api:5001{SIGNED}"]),
        (
            f"http://127.0.0.1:5001{SIGNED}",
            [f"https://dify.example{SIGNED}", f"http://127.0.0.1:5001{SIGNED}"],
        ),
        ("https://cdn.example/a.png", ["https://cdn.example/a.png"]),
        ("//evil.example/a.png", ["//evil.example/a.png"]),
        ("nonsense", ["nonsense"]),
    ],
)
def test_where_a_file_may_be(url: str, addresses: list[str]) -> None:
    """A relative address starts from the origin; a server's inner address is tried at the API's origin first."""
    assert list(HERE.file_addresses(url)) == addresses


def test_a_file_is_known_again() -> None:
    """The same file signed twice is the same file."""
    assert file_identity(f"http://a{SIGNED}") == file_identity("http://b/files/tools/abc.png?sign=9")
    assert file_identity("https://cdn.example/a.png") == ""


@pytest.mark.parametrize("version", [OLD, NEW])
def test_a_recorded_output_has_its_file(version: str) -> None:
    """The objects of both eras are files, each with its place, name, type and address, once."""
    outputs = recording(f"{version}/01-image-blocking.http").json["data"]["outputs"]
    (media,) = find_files(outputs, HERE)

    assert media.place in ("files.0", "image.0")
    assert media.content_type == "image/png"
    assert media.name.endswith(".png")
    assert media.url.startswith("http://127.0.0.1:15")


def test_files_at_any_depth_and_in_odd_shapes() -> None:
    """A file may be relative, without a size, nested, or come twice with two signatures."""
    file = {
        "dify_model_identity": "__dify__file__",
        "transfer_method": "tool_file",
        "type": "image",
        "filename": "image",
        "extension": ".png",
        "mime_type": "image/png",
        "size": -1,
        "remote_url": None,
    }
    outputs = {
        "one": file | {"url": SIGNED},
        "deep": {"list": [{"again": file | {"url": SIGNED + "x"}}]},
        "echo": file
        | {
            "transfer_method": "local_file",
            "url": "/files/u1/file-preview?sign=1",
            "remote_url": "https://old.example/source.png",
        },
        "far": file
        | {"transfer_method": "remote_url", "url": None, "remote_url": "https://cdn.example/b.png"},
        "text": "https://cdn.example/c.png",
        "plain": {"url": "/files/tools/d.png"},
    }
    found = {media.place: media for media in find_files(outputs, HERE)}

    assert list(found) == ["one", "echo", "far", "text", "plain"]
    assert (found["one"].url, found["one"].size, found["one"].name) == (
        f"https://dify.example{SIGNED}",
        None,
        "image.png",
    )
    assert found["echo"].url == "https://dify.example/files/u1/file-preview?sign=1"
    assert found["far"].url == "https://cdn.example/b.png"
    assert found["plain"].url == "https://dify.example/files/tools/d.png"


def test_a_file_without_an_address_is_not_hidden() -> None:
    """Where an old server gives no address, each file says so."""
    _, *_, finished, _ = recording(f"{OLD}/15-iteration-streaming.http").events
    lost = find_files(finished["data"]["outputs"], HERE)

    assert [media.place for media in lost] == ["images.0", "images.1", "images.2"]
    assert all("gave no address" in media.problem for media in lost)


@settings(max_examples=300, deadline=None)
@given(JSON)
def test_no_json_is_fatal(body: Any) -> None:
    """Whatever a server answers, reading it gives something."""
    find_files(body, HERE)
    read_refusal(400, str(body).encode())
    form = read_parameters({"user_input_form": body})
    form.schema("dify/x").fields  # noqa: B018 - it is worked out when it is asked for
    check(form.to_check({"x": ""}), form.schema("dify/x").input, "dify/x")


FORM = read_parameters(recording(f"{NEW}/06-parameters.http").json)


@pytest.mark.parametrize(
    ("inputs", "problem"),
    [
        ({}, '"prompt" is missing'),
        ({"prompt": None}, '"prompt" is missing'),
        ({"prompt": "x" * 49}, "at most 48"),
        ({"prompt": 12}, "is not a string"),
        ({"prompt": "a", "style": "cubist"}, "is none of"),
        ({"prompt": "a", "steps": "many"}, "is not a number"),
        ({"prompt": "a", "stle": "anime"}, "did you mean"),
        ({"prompt": ""}, ""),
        ({"prompt": "x" * 48, "steps": "12", "style": "anime", "negative": None}, ""),
        ({"prompt": "a", "steps": True}, ""),
        ({"prompt": "a", "steps": ""}, ""),
        ({"prompt": "a", "steps": 2.5, "picture": {"upload_file_id": "u"}, "pictures": []}, ""),
    ],
)
def test_inputs_are_judged_as_the_server_judges_them(inputs: dict[str, Any], problem: str) -> None:
    """What a recorded server refused is refused here, and what it took is taken."""
    problems = [
        it.message
        for it in check(FORM.to_check(inputs), FORM.schema("dify/x").input, "dify/x")
        if it.is_certain
    ]

    assert problem in " ".join(problems)
    assert bool(problems) is bool(problem)


def test_old_parameters() -> None:
    """The form of 2024 is read as well."""
    old = read_parameters(recording(f"{OLD}/06-parameters.http").json)

    assert [it.name for it in old.variables] == ["prompt", "negative", "steps", "style"]


def test_files_take_the_shape_of_their_variable() -> None:
    """One file or a list, an uploaded one or an address: the server gets what it wants."""
    local = {"type": "image", "transfer_method": "local_file", "upload_file_id": "u"}
    remote = {"type": "image", "transfer_method": "remote_url", "url": "https://x.example/a"}

    assert FORM.shaped({"picture": local, "pictures": local, "prompt": "https://x.example/a"}) == {
        "picture": local,
        "pictures": [local],
        "prompt": "https://x.example/a",
    }
    assert FORM.shaped({"picture": ["https://x.example/a"], "pictures": []}) == {
        "picture": remote,
        "pictures": [],
    }
    assert FORM.shaped({"picture": None}) == {"picture": None}
    for wrong in ([local, local], "a cat", 3, local | {"type": "audio"}):
        with pytest.raises(InputError, match="picture takes"):
            FORM.shaped({"picture": wrong})


def test_a_kind_of_file_that_only_the_app_knows() -> None:
    """Where an app takes custom files, another kind is sent as one."""
    form = read_parameters(
        {"user_input_form": [{"file": {"variable": "f", "allowed_file_types": ["custom"]}}]}
    )

    assert form.shaped({"f": {"type": "document", "upload_file_id": "u"}})["f"]["type"] == "custom"


@pytest.mark.parametrize(
    ("name", "kind", "sent"),
    [
        ("a.png", "image/png", "a.png"),
        ("file", "image/png", "file.png"),
        ('über/..\\"x\r\n.png', "image/png", "über_.._"),
        ("x" * 300 + ".jpeg", "image/jpeg", "x" * 150 + ".jpeg"),
        ("...", "text/plain", "file.txt"),
    ],
)
def test_a_name_that_servers_take(name: str, kind: str, sent: str) -> None:
    """A file's name is sent with an ending and without what servers refuse."""
    assert upload_name(name, kind).startswith(sent)
    assert not set('/\\:*?"<>|\r\n') & set(upload_name(name, kind))


def test_an_upload() -> None:
    """A file goes up as a form with the user, and comes back as an id."""
    head, tail = upload_form("B", "me\r\n", "ü.png", "image/png")

    assert head.decode().count("--B\r\n") == 2
    assert b'name="user"\r\n\r\nme\r\n' in head
    assert 'name="file"; filename="ü.png"\r\nContent-Type: image/png\r\n\r\n'.encode() in head
    assert tail == b"\r\n--B--\r\n"
    for version in (OLD, NEW):
        assert len(read_upload(recording(f"{version}/40-upload.http").json, "x")) == 36
    with pytest.raises(ServiceError, match="no id"):
        read_upload({"id": None}, "x.png")


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        (f"{OLD}/30-missing-required.http", "invalid_param", "prompt is required in input form"),
        (f"{OLD}/31d-no-inputs.http", "invalid_param", "Missing required parameter"),
        (f"{NEW}/31d-no-inputs.http", "invalid_param", "WorkflowRunPayload inputs Field required"),
        (f"{NEW}/32-bad-key.http", "unauthorized", "Access token is invalid"),
        (f"{OLD}/32b-no-auth.http", "unauthorized", "key of this connection"),
        (f"{NEW}/37-chat-app-key.http", "not_workflow_app", "another kind of app"),
        (f"{NEW}/36-api-disabled.http", "forbidden", "has been disabled"),
        (f"{NEW}/40i-upload-too-big-image.http", "file_too_large", "smaller files"),
        (f"{NEW}/31l-unknown-route.http", "not_found", "ends in /v1"),
    ],
)
def test_recorded_refusals_are_told_clearly(name: str, code: str, words: str) -> None:
    """A refusal is one line with the server's words, its code and status, and what to do about it."""
    source = recording(name)
    error = read_refusal(source.status, source.body).error("running dify/cat")

    assert error.status == source.status
    assert error.error_type in (code, "")
    assert words in str(error)
    assert "pydantic" not in str(error)
    assert f"(HTTP {source.status}" in str(error)


@pytest.mark.parametrize(
    ("status", "content", "words", "is_gateway"),
    [
        (
            400,
            b'{"errors": {"inputs": "Missing"}, "message": "Input payload validation failed"}',
            "inputs: Missing",
            False,
        ),
        (
            400,
            b'{"code": "invalid_param", "message": "Too many requests. Please try again later.", "status": 400}',
            "wait until",
            False,
        ),
        (504, b"<html><head><title>504 Gateway Time-out</title></head></html>", "504 Gateway Time-out", True),
        (500, b'{"message": "Internal Server Error", "code": "unknown"}', "Internal Server Error", False),
        (502, b"", "Bad Gateway", True),
        (524, b"error code: 524", "error code: 524", True),
        (413, b"<html><title>413 Request Entity Too Large</title></html>", "smaller files", False),
    ],
)
def test_refusals_of_other_versions_and_of_proxies(
    status: int,
    content: bytes,
    words: str,
    is_gateway: bool,  # noqa: FBT001
) -> None:
    """Every era's error and a proxy's page is one clear line, and a proxy is told from the server."""
    refusal = read_refusal(status, content)

    assert words in str(refusal.error("running dify/cat"))
    assert refusal.is_from_gateway is is_gateway
