from __future__ import annotations

import base64
import io
import math
import struct
import wave
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.browser.conftest import keep
from tests.scripted_server import answer

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from tests.browser.conftest import OpenNotebook
    from tests.browser.jupyter_lab import JupyterLab
    from tests.scripted_server import ScriptedServer

SVG = b"""<svg xmlns="http://www.w3.org/2000/svg" width="90" height="60" onload="window.__nbkit_pwned=1">
<circle cx="45" cy="30" r="25" fill="teal"/></svg>"""
GLB = b"glTF" + struct.pack("<II", 2, 12)
RECORD = """async () => {
  const canvas = document.createElement("canvas");
  const ink = canvas.getContext("2d");
  const recorder = new MediaRecorder(canvas.captureStream(30), { mimeType: "video/webm" });
  const parts = [];
  recorder.ondataavailable = ({ data }) => parts.push(data);
  const stopped = new Promise((resolve) => { recorder.onstop = resolve; });
  recorder.start();
  for (let step = 0; step < 20; step++) {
    ink.fillStyle = `hsl(${step * 18} 80% 50%)`;
    ink.fillRect(step * 10, 20, 80, 100);
    await new Promise(requestAnimationFrame);
  }
  recorder.stop();
  await stopped;
  const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}"""


def tone() -> bytes:
    """Half a second of a sound."""
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(b"".join(struct.pack("<h", int(9000 * math.sin(n / 3))) for n in range(4000)))
    return content.getvalue()


def film(page: Page) -> bytes:
    """A film that the browser itself records."""
    page.goto("about:blank")
    return base64.b64decode(page.evaluate(RECORD))


def plays(shown: Locator) -> None:
    """See that the browser can read the file of each player."""
    for kind in ("video", "audio"):
        player = shown.locator(kind)
        expect(player).to_have_count(1)
        player.evaluate(
            "player => player.readyState || new Promise((resolve) => { player.onloadedmetadata = resolve; })"
        )
    assert shown.locator("audio").evaluate("player => player.duration") == 0.5
    assert shown.locator("video").evaluate("player => player.videoWidth") == 300
    drawing = shown.locator("img[src*='svg']")
    assert drawing.evaluate("image => image.complete && image.naturalWidth") == 90
    expect(shown.get_by_role("link", name="shape.glb")).to_have_count(1)


def test_films_sounds_drawings_and_shapes_are_shown(
    open_notebook: OpenNotebook, lab: JupyterLab, page: Page, scripted: ScriptedServer
) -> None:
    """Films and sounds play, a drawing is a picture and can do nothing, a shape is a link; also in a saved notebook."""
    files = {
        "clip.webm": (film(page), "video/webm"),
        "tone.wav": (tone(), "audio/wav"),
        "logo.svg": (SVG, "image/svg+xml"),
        "shape.glb": (GLB, "model/gltf-binary"),
    }
    for name, (content, content_type) in files.items():
        scripted.on("GET", f"/{name}", answer(body=content, headers={"content-type": content_type}))
    output = {
        name.partition(".")[0]: {"url": f"{scripted.origin}/{name}", "file_name": name, "content_type": kind}
        for name, (_, kind) in files.items()
    }
    scripted.queue("acme/everything", output=output, request_id="r1")
    notebook = open_notebook(
        "%load_ext nbkit",
        f"import nbkit\nclient = nbkit.Client(base_url={scripted.origin!r}, key='k', validate=False)",
        "client.subscribe('acme/everything', {'prompt': 'all of it'})",
    )
    for number in range(3):
        notebook.run(number)
    plays(notebook.output(2))
    keep(notebook.output(2), "players")

    notebook.save()
    lab.end_kernels()
    notebook.open()
    plays(notebook.output(2))
