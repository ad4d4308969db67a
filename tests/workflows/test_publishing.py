from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import nbkit
from nbkit.errors import InputError, ServiceError
from nbkit.workflows.publishing import published
from tests.scripted_server import ScriptedServer, answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbkit.server.host import Host

KEY = "SECRET-publishing"


@pytest.fixture
def flow(scripted: ScriptedServer) -> Iterator[nbkit.workflow]:
    """A workflow for a service that does as it is told."""
    scripted.on("GET", "/openapi.json", answer({"detail": "later"}, 503))
    with nbkit.Client(base_url=scripted.origin, key=KEY) as client:
        flow = nbkit.workflow("demo", title="A demo", client=client)
        flow.output(x=flow.run("acme/gen", prompt=flow.input("prompt", str)).x)
        yield flow


def kept(name: str = "demo", user: Any = "ann") -> dict[str, Any]:
    """What the service tells of a workflow."""
    return {"name": name, "user_nickname": user, "user_id": "u-1", "created_at": ""}


def listed(*items: Any, pages: Any = 1) -> Any:
    """A page of the list of workflows."""
    return answer({"items": list(items), "total": len(items), "page": 1, "size": 50, "pages": pages})


def test_a_published_workflow_is_an_endpoint(postcard: nbkit.workflow, lab: Host) -> None:
    """It is called by its name, and its schema has the types that were given, and those of the inputs it hands on."""
    endpoint = postcard.publish()
    client = postcard._runner.client([])
    schema = client.schema(endpoint)
    fields = {it.name: it for it in schema.fields}

    assert endpoint == "workflows/local/postcard"
    assert schema.title == "A postcard"
    assert (fields["prompt"].type, fields["prompt"].required) == ("string", True)
    assert (fields["seed"].type, fields["seed"].required) == ("integer", False)
    assert [it.name for it in schema.output_fields] == ["cutout", "large"]
    assert client.subscribe(endpoint, {"prompt": "a cat"})["large"]["width"] == 64
    with pytest.raises(InputError, match="is not an integer"):
        client.submit(endpoint, {"prompt": "a cat", "seed": "x"})
    assert lab.app.state.service.saved.get("local", "postcard").is_public is False


def test_published_again_it_takes_the_earlier_one_s_place(client: nbkit.Client, lab: Host) -> None:
    """Its steps and its inputs are the new ones at once, also for clients that knew the old ones."""
    made: list[str] = []
    with nbkit.Client(base_url=lab.url) as other:
        for name in ("before", "after"):
            flow = nbkit.workflow("renewed", client=client)
            flow.output(said=flow.run("lab/echo", text=flow.input(name, str)).given.text)
            made.append(flow.publish())
            assert [it.name for it in other.schema(made[-1]).fields] == [name]
            assert other.subscribe(made[-1], {name: "hi"}).data == {"said": "hi"}

    assert made == ["workflows/local/renewed"] * 2


def test_what_was_published_is_offered_by_its_name(postcard: nbkit.workflow) -> None:
    """The service lists it."""
    endpoint = postcard.publish()

    assert endpoint in published(postcard._runner.client([]))


def test_it_is_sent_as_fal_s_package_sends_it(scripted: ScriptedServer, flow: nbkit.workflow) -> None:
    """Once, with the key, and with the package's own document."""
    scripted.on("POST", "/rest/workflows/", answer(kept(), 201))

    assert flow.publish(public=True) == "workflows/ann/demo"
    (sent,) = scripted.requests("POST")
    assert sent.headers["authorization"] == f"Key {KEY}"
    assert sent.json.keys() == {"name", "title", "contents", "is_public"}
    assert (sent.json["name"], sent.json["title"], sent.json["is_public"]) == ("demo", "A demo", True)
    assert sent.json["contents"]["nodes"]["gen"]["input"] == {"prompt": "$input.prompt"}


@pytest.mark.parametrize("status", [400, 409, 422])
def test_a_name_that_is_taken_is_found_on_any_page(
    scripted: ScriptedServer, flow: nbkit.workflow, status: int
) -> None:
    """Whatever the service says to a second of a name, the first one is changed."""
    scripted.on("POST", "/rest/workflows/", answer({"detail": "taken"}, status))
    scripted.on("GET", "/rest/workflows/", listed(kept("other"), 3, kept(user=[]), pages=2), listed(kept()))
    scripted.on("PATCH", "/rest/workflows/ann/demo", answer(kept(), 201))

    assert flow.publish() == "workflows/ann/demo"
    assert [it.target for it in scripted.requests("GET", "/rest/workflows/")] == [
        "/rest/workflows/?page=1&size=50",
        "/rest/workflows/?page=2&size=50",
    ]


def test_what_the_service_refuses_is_told_in_its_words(
    scripted: ScriptedServer, flow: nbkit.workflow
) -> None:
    """Where there is none of that name, the refusal was about something else."""
    scripted.on("POST", "/rest/workflows/", answer({"detail": "no room left"}, 400))
    scripted.on("GET", "/rest/workflows/", listed())
    with pytest.raises(ServiceError, match="no room left"):
        flow.publish()

    assert scripted.requests("PATCH") == []


@pytest.mark.parametrize(
    "told",
    [
        None,
        [],
        {},
        {"name": "demo"},
        kept(user="../../etc"),
        kept(user="a/b"),
        kept(user=3),
        kept(user=""),
        kept("another"),
    ],
)
def test_a_service_that_does_not_say_where_it_kept_it_is_an_error(
    scripted: ScriptedServer, flow: nbkit.workflow, told: Any
) -> None:
    """No address is made of what is no name."""
    scripted.on("POST", "/rest/workflows/", answer(told, 201))
    with pytest.raises(ServiceError, match="does not say"):
        flow.publish()


def test_a_list_without_an_end_is_not_followed_for_ever(
    scripted: ScriptedServer, flow: nbkit.workflow
) -> None:
    """A service that tells of endless pages is asked a bounded number of times."""
    scripted.on("POST", "/rest/workflows/", answer({"detail": "taken"}, 400))
    scripted.on("GET", "/rest/workflows/", listed(kept("other"), pages=10**9))
    with pytest.raises(ServiceError, match="taken"):
        flow.publish()

    assert scripted.count("GET", "/rest/workflows/") == 100


def test_nothing_is_published_where_something_is_wrong(
    scripted: ScriptedServer, flow: nbkit.workflow
) -> None:
    """Unless it is wished."""
    scripted.on("POST", "/rest/workflows/", answer(kept(), 201))
    flow.run("acme/gen", prompt="$gone.x")
    with pytest.raises(InputError, match="gone"):
        flow.publish()
    assert scripted.requests("POST") == []

    assert flow.publish(check=False) == "workflows/ann/demo"
