"""Services on a scripted server that put one word wherever people read words."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

from PIL import Image

from tests.attacks import ATTACKS
from tests.dify_recordings import NEW, recording
from tests.scripted_server import answer, stream

if TYPE_CHECKING:
    from tests.scripted_server import ScriptedServer

# Of Dify's events and answers: the names of what is written by people, or shown to them as it is.
_WORDS = {
    "title", "node_title", "node_type", "error", "message", "text", "name", "description", "label", "default", "value",
    "form_content", "output_variable_name", "author_name", "mode", "tags", "options", "variable", "placeholder", "hint",
}  # fmt: skip
# A few at a time, each attack in one of them: a page with a card for each alone would take minutes to come.
WORDS = tuple(" ".join(ATTACKS[first::7]) for first in range(7))
_DIFY = {
    "failed": recording(f"{NEW}/13-partial-streaming.http"),
    "asks": recording(f"{NEW}/61-human-stream-raw.raw"),
}


def poisoned(value: Any, word: str, *, named: str = "") -> Any:
    """A copy of JSON with a word in place of each text that people would read."""
    if isinstance(value, dict):
        return {name: poisoned(it, word, named=name) for name, it in value.items()}
    if isinstance(value, list):
        return [poisoned(it, word, named=named) for it in value]
    return word if isinstance(value, str) and named in _WORDS else value


def serve(server: ScriptedServer) -> None:
    """Be, for the word N of `WORDS`, fal's `acme/shown-N`, `acme/refused-N` and `workflows/acme/flow-N`.

    Dify's apps are at `/failed-N/v1` and `/asks-N/v1`.
    """
    paths = {}
    for number, word in enumerate(WORDS):
        png = answer(body=_picture(number), headers={"content-type": "image/png"})
        server.on("GET", f"/picture-{number}.png", png)
        _serve_queue(server, f"acme/shown-{number}", word, f"{server.origin}/picture-{number}.png")
        refused = server.queue(f"acme/refused-{number}", request_id=f"r{number}")
        detail = [{"loc": ["body", word], "msg": word, "type": word, "ctx": {word: word}, "input": word}]
        server.on(
            "GET",
            refused,
            answer({"detail": detail}, 422, headers={"x-fal-request-id": f"r{number}"}),
        )
        _serve_workflow(server, f"workflows/acme/flow-{number}", word)
        paths[f"/acme/shown-{number}"] = {"post": {"summary": word, "requestBody": _body(word)}}
        for name, app in _DIFY.items():
            prefix = f"/{name}-{number}/v1"
            events = [f"data: {json.dumps(poisoned(event, word))}\n\n".encode() for event in app.events]
            server.on("POST", f"{prefix}/workflows/run", stream(*events))
            for what in ("info", "parameters", "site"):
                told = recording(f"{NEW}/06-{what}.http").json
                server.on("GET", f"{prefix}/{what}", answer(poisoned(told, word)))
    server.on(
        "GET", "/openapi.json", answer({"info": {"title": WORDS[0], "description": WORDS[0]}, "paths": paths})
    )


def _serve_queue(server: ScriptedServer, endpoint: str, word: str, picture: str) -> None:
    log = {"message": word, "level": word, "source": word, "timestamp": "2026-01-01T00:00:00Z"}
    running = {"status": "IN_PROGRESS", "logs": [log], "metrics": {}}
    done = {"status": "COMPLETED", "logs": [log, {**log, "message": word * 40}], "metrics": {}}
    file = {"url": picture, "content_type": "image/png", "file_name": word}
    output = {"images": [file], word: word, "list": [word, {word: word}], "seed": 1, "prompt": word}
    server.queue(endpoint, statuses=(running, done), output=output, request_id="r1")


def _serve_workflow(server: ScriptedServer, endpoint: str, word: str) -> None:
    picture = {"images": [{"url": f"{server.origin}/picture-0.png", "file_name": word}], word: word}
    events = [
        {"type": "submit", "node_id": word, "app_id": word, "request_id": word},
        {"type": "completion", "node_id": word, "app_id": word, "output": picture},
        {"type": word, "node_id": word},
        {"type": "submit", "node_id": f"{word} 2", "app_id": word},
        {
            "type": "error",
            "node_id": f"{word} 2",
            "message": word,
            "error": {"status": 422, "body": {word: word}},
        },
    ]
    server.on(
        "POST", f"/run/{endpoint}/stream", stream(*(f"data: {json.dumps(it)}\n\n".encode() for it in events))
    )


def _body(word: str) -> dict[str, Any]:
    about = {"type": "string", "title": word, "description": word, "default": word, "examples": [word]}
    properties = {
        "prompt": about,
        word: {**about, "enum": [word, f"{word} 2"]},
        "image_url": about,
        "size": {
            "anyOf": [{"type": "object", "properties": {word: about}}, {"type": "string", "enum": [word]}]
        },
    }
    schema = {
        "type": "object",
        "title": word,
        "description": word,
        "properties": properties,
        "required": [word],
    }
    return {"content": {"application/json": {"schema": schema}}}


def _picture(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.radial_gradient("L").rotate(number).save(buffer, "PNG")
    return buffer.getvalue()
