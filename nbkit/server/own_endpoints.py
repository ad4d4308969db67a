"""Users' own endpoints: those of packages, of files, which are read again when they change, and those of a kernel."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from nbkit.endpoints.code import source_of
from nbkit.endpoints.declare import check_id
from nbkit.errors import ConfigError, NbkitError
from nbkit.server import logs
from nbkit.server.catalogue import Entry
from nbkit.server.describe import GROUP, PACKAGES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from nbkit.server.catalogue import Catalogue
    from nbkit.server.code_store import CodeStore

_FILE_SECONDS = 60.0
_PACKAGES_SECONDS = 20.0  # a notebook waits for its server
_LOOK_SECONDS = 1.0
_VERSIONS = 16
_FACTS = ("title", "description", "category", "input", "output", "resources", "time_limit", "memory_limit")


class OwnEndpoints:
    """Puts users' endpoints into a catalogue.

    Args:
        files: Users' files.
        catalogue: Where their endpoints go.
        code: Where their code goes.
    """

    def __init__(self, files: Iterable[Path], catalogue: Catalogue, code: CodeStore) -> None:
        self._files = dict.fromkeys(files)
        self._catalogue = catalogue
        self._code = code
        self._ids: dict[Path, tuple[str, ...]] = {}
        self._seen: dict[Path, tuple[int, int]] = {}
        self._versions: dict[str, list[str]] = {}  # endpoint → digests of its code, the latest last

    def load(self) -> None:
        """Read packages and files.

        Raises:
            ConfigError: A file cannot be imported, or declares nothing; says where and why.
        """
        if entry_points(group=GROUP):
            endpoints, problems = _described(PACKAGES, _PACKAGES_SECONDS)
            for problem in problems:
                _warn(problem)
            for facts in endpoints:
                self._catalogue.add(entry_of(facts, str(facts["name"])))
        for path in self._files:
            self._seen[path] = _looks(path)
            self._put(path, self._read(path))

    async def declare(self, facts: dict[str, Any], code: bytes) -> str:
        """Answer a function of a kernel, in place of the one that had its id.

        Args:
            facts: What the catalogue says of it.
            code: The function, as `nbkit.endpoints.code.pickled` gives it.

        Returns:
            The digest of the code.

        Raises:
            InputError: The facts make no endpoint.
        """
        digest = await asyncio.to_thread(self._code.put, code)
        entry = entry_of(facts, f"pickle:{digest}")
        self._catalogue.add(entry)
        versions = self._versions.setdefault(entry.id, [])
        if digest in versions:
            versions.remove(digest)
        versions.append(digest)
        if (
            len(versions) > _VERSIONS
        ):  # requests that wait are computed by the code that was there when they came
            await asyncio.to_thread(self._code.remove, versions.pop(0))
        return digest

    async def watch(self) -> None:
        """Read a file anew when it changes. One that cannot be imported any more leaves its endpoints as they were."""
        while self._files:
            await asyncio.sleep(_LOOK_SECONDS)
            for path in self._files:
                if (looks := _looks(path)) == self._seen[path]:
                    continue
                self._seen[path] = looks
                try:
                    self._put(path, await asyncio.to_thread(self._read, path))
                except NbkitError as error:
                    _warn(f"{error}; what it declared before stays")
                else:
                    logs.warn("endpoints_read", f"{path} was read anew")

    def _read(self, path: Path) -> list[Entry]:
        if path.suffix == ".ipynb":
            raise ConfigError(
                f"{path} is a notebook; write its functions to a Python file, as with %%writefile my_models.py"
            )
        if path.exists() and not path.is_file():  # of a pipe the end would never come
            raise ConfigError(f"{path} is no file")
        try:
            digest = self._code.put(source_of(path))
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
        endpoints, problems = _described(str(path), _FILE_SECONDS)
        if problems:
            raise ConfigError("; ".join(problems))
        entries = [entry_of(facts, f"source:{digest}:{facts['name']}") for facts in endpoints]
        ids = [entry.id for entry in entries]
        if twice := {name for name in ids if ids.count(name) > 1}:
            raise ConfigError(f"{path} declares {', '.join(sorted(twice))} more than once")
        return entries

    def _put(self, path: Path, entries: list[Entry]) -> None:
        ids = tuple(entry.id for entry in entries)
        for other, theirs in self._ids.items():
            if other != path and (both := set(theirs) & set(ids)):
                raise ConfigError(f"{path} declares {', '.join(sorted(both))}, and so does {other}")
        for gone in set(self._ids.get(path, ())) - set(ids):
            self._catalogue.remove(gone)
        self._ids[path] = ids
        for entry in entries:
            self._catalogue.add(entry)


def entry_of(facts: dict[str, Any], model: str) -> Entry:
    """The catalogue's entry for a user's function.

    Raises:
        InputError: Its id is not one that users may give.
        ConfigError: The facts make no endpoint.
    """
    name = facts.get("id")
    check_id(name if isinstance(name, str) else "")
    try:
        return Entry(id=str(name), model=model, checks_itself=True, **{it: facts[it] for it in _FACTS})
    except KeyError as error:
        raise ConfigError(f"endpoint {name} comes without its {error}") from error


def _described(word: str, seconds: float) -> tuple[list[dict[str, Any]], list[str]]:
    """What a file or the packages declare, told by a process of its own."""
    process = subprocess.Popen(  # noqa: S603 - the user's own files, which the user asked to be served
        [sys.executable, "-m", "nbkit.server.describe", word],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        content, _ = process.communicate(timeout=seconds)
        told = json.loads(content)
    except subprocess.TimeoutExpired:
        return [], [
            f"{_called(word)} took longer than {seconds:g} s to import; load models inside of functions"
        ]
    except ValueError:
        return [], [f"{_called(word)} ended the process that imported it (exit code {process.returncode})"]
    finally:
        _end(process)
    return told["endpoints"], told["problems"]


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and what it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    finally:
        process.wait()
        if process.stdout:
            process.stdout.close()


def _called(word: str) -> str:
    return "the packages with entry points of nbkit" if word == PACKAGES else word


def _looks(path: Path) -> tuple[int, int]:
    try:
        facts = path.stat()
    except OSError:
        return 0, 0
    return facts.st_mtime_ns, facts.st_size


def _warn(words: str) -> None:
    logs.warn("endpoints_not_read", words)
