"""The oldest versions of ipykernel and IPython that nbkit supports, in a folder that goes before the installed ones."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = ("ipykernel==6.29.5", "ipython==8.20.0", "decorator==5.1.1")
VERSIONS = "('6.29.5', '8.20.0')"
_FOLDER = Path(__file__).parent.parent / "build" / "oldest-jupyter"


def oldest_jupyter() -> str:
    """A `PYTHONPATH` with which programs and kernels use the oldest versions; everything else stays as installed.

    They are fetched when they are first needed. Where they cannot be had, the test is skipped, and fails in CI.
    """
    if not _FOLDER.is_dir():
        part = _FOLDER.with_name(f"{_FOLDER.name}.{os.getpid()}")
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--target",
            str(part),
            *PACKAGES,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            shutil.rmtree(part, ignore_errors=True)
            told = f"{', '.join(PACKAGES)} cannot be installed: {done.stderr.strip()[-300:]}"
            pytest.fail(told) if os.environ.get("CI") == "true" else pytest.skip(told)
        part.rename(_FOLDER)
    return os.pathsep.join(filter(None, (str(_FOLDER), os.environ.get("PYTHONPATH"))))
