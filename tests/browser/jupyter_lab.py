"""A JupyterLab of the tests' own: its own home, its own settings, a free port, and nothing from the network."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import httpx
import nbformat

from nbkit.config import cache_dir

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parent.parent.parent
_STARTS_WITHIN = 60.0
_ENDS_WITHIN = 10.0
_SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
    "@jupyterlab/apputils-extension:themes": {
        "adaptive-theme": True,
        "preferred-light-theme": "JupyterLab Light",
        "preferred-dark-theme": "JupyterLab Dark",
    },
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
}


class JupyterLab:
    """A server of JupyterLab, for as long as a `with` block lasts.

    Args:
        folder: An empty folder for everything that it writes.

    Attributes:
        url: Its address.
        notebooks: The folder that it serves.
    """

    def __init__(self, folder: Path) -> None:
        self.notebooks = folder / "notebooks"
        self._folder = folder
        self._port = _free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None
        self._http = httpx.Client(base_url=self.url, timeout=30, trust_env=False)

    def __enter__(self) -> Self:
        """Start it, and wait until it answers."""
        self.notebooks.mkdir(parents=True)
        settings = self._folder / "application"
        settings.mkdir()
        (settings / "overrides.json").write_text(json.dumps(_SETTINGS))
        log = (self._folder / "jupyter.log").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *self._options(settings)],
            cwd=self.notebooks,
            env=self._environment(),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        log.close()
        give_up = time.monotonic() + _STARTS_WITHIN
        while not self._answers():
            if time.monotonic() > give_up or self._process.poll() is not None:
                self.__exit__()
                raise RuntimeError(f"JupyterLab did not start:\n{self.log()}")
            time.sleep(0.1)
        return self

    def __exit__(self, *_error: object) -> None:
        """End it with its kernels."""
        self._http.close()
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def log(self) -> str:
        """What it printed."""
        return (self._folder / "jupyter.log").read_text(errors="replace")

    def write(self, name: str, *cells: str, kernel: str = "python3") -> Path:
        """Write a notebook of code cells, for a kernel."""
        book = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
            metadata={"kernelspec": {"name": kernel, "display_name": kernel, "language": "python"}},
        )
        path = self.notebooks / name
        nbformat.write(book, path)
        return path

    def add_kernel(self, name: str, python_path: str) -> None:
        """Offer one more kernel: this Python, with other folders to import from."""
        folder = self._folder / "data" / "kernels" / name
        folder.mkdir(parents=True, exist_ok=True)
        spec = {
            "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            "display_name": f"{name} (ipykernel)",
            "language": "python",
            "env": {"PYTHONPATH": os.pathsep.join((python_path, str(ROOT)))},
        }
        (folder / "kernel.json").write_text(json.dumps(spec))

    def end_kernels(self) -> None:
        """Shut every kernel down, as closing them in the list of running kernels does."""
        headers = {"x-xsrftoken": self._http.cookies.get("_xsrf") or ""}
        for session in self._http.get("/api/sessions").raise_for_status().json():
            self._http.delete(f"/api/sessions/{session['id']}", headers=headers).raise_for_status()

    def _answers(self) -> bool:
        try:
            return (
                self._http.get("/lab").status_code == httpx.codes.OK
            )  # gives the cookie that a DELETE needs
        except httpx.TransportError:
            return False

    def _options(self, settings: Path) -> list[str]:
        return [
            "--no-browser",
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={self._port}",
            "--ServerApp.port_retries=0",
            f"--ServerApp.root_dir={self.notebooks}",
            "--ServerApp.terminals_enabled=False",
            "--IdentityProvider.token=",
            "--LanguageServerManager.autodetect=False",
            "--LabApp.extension_manager=readonly",
            f"--LabApp.app_settings_dir={settings}",
            f"--LabApp.user_settings_dir={self._folder / 'settings'}",
            f"--LabApp.workspaces_dir={self._folder / 'workspaces'}",
            *(["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
        ]

    def _environment(self) -> Mapping[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("FAL_", "DIFY_", "NBKIT_", "JUPYTER"))
        }
        python_path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        return kept | {
            "HOME": str(self._folder),
            "NBKIT_HOME": str(self._folder / "nbkit"),
            "NBKIT_CACHE": str(cache_dir()),
            "NBKIT_KEYS": "environment",
            "IPYTHONDIR": str(self._folder / "ipython"),
            "JUPYTER_CONFIG_DIR": str(self._folder / "config"),
            "JUPYTER_DATA_DIR": str(self._folder / "data"),
            "JUPYTER_RUNTIME_DIR": str(self._folder / "runtime"),
            "PYTHONPATH": python_path,
        }


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
