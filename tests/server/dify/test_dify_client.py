"""nbkit's own client at nbkit's own Dify half."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import nbkit
from nbkit.errors import InputError
from tests.server.dify.conftest import ERAS
from tests.server.dify.test_dify_files import picture

if TYPE_CHECKING:
    from pathlib import Path

    from nbkit.server.host import Host


def client(host: Host, app: str) -> nbkit.Client:
    """A client for one app of a server."""
    return nbkit.Client(base_url=f"{host.url}/v1", key=f"app-local-{app}", user="ann")


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("mode", ["streaming", "blocking"])
def test_the_client_gets_a_picture_in_both_modes_from_both_eras(
    era: str, mode: str, hosts: dict[str, Host]
) -> None:
    """The file is on this machine when the run is over, and the run can be found again."""
    with client(hosts[era], "text-to-image") as here:
        run = here.submit("dify/here", {"prompt": "a cat", "seed": 3}, response_mode=mode)
        result = run.result()
        assert result.data["seed"] == 3
        assert result.images[0].path is not None
        assert result.images[0].path.read_bytes().startswith(b"\x89PNG")
        assert here.result("dify/here", result.request_id).data["seed"] == 3


def test_the_client_uploads_the_picture_of_a_sticker(hosts: dict[str, Host], tmp_path: Path) -> None:
    """A path is uploaded and sent in the variable's shape; each working step shows its picture."""
    ball = tmp_path / "ball.png"
    ball.write_bytes(picture())
    with client(hosts["1.13"], "sticker") as here:
        result = here.subscribe("dify/here", {"picture": ball, "scale": 1})
    assert [media.file_name for media in result.images] == ["upscaled.png"]


def test_the_client_is_told_what_a_form_does_not_allow(hosts: dict[str, Host]) -> None:
    """The form that the server tells is the one that it checks by."""
    with client(hosts["1.13"], "text-to-image") as here, pytest.raises(InputError, match="model_name"):
        here.subscribe("dify/here", {"prompt": "a cat", "model_name": "sd3"})
