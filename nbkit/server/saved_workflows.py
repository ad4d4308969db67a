"""Workflows that callers save, one JSON file each, and answer as `workflows/{nickname}/{name}` from then on.

Facts: fal's REST interface (`/workflows/`), as the `fal` package's generated client describes it.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from nbkit.errors import InputError
from nbkit.server.catalogue import Entry
from nbkit.server.understood import understood
from nbkit.wire.fal.definition import LARGEST, read_definition
from nbkit.wire.fal.graph import Graph, read_graph

if TYPE_CHECKING:
    from pathlib import Path

    from nbkit.server.catalogue import Catalogue
    from nbkit.wire.fal.definition import Definition

MOST = 1000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_TITLE = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedWorkflow:
    """One saved workflow.

    Attributes:
        name: Its name in addresses: letters, digits, `_` and `-`.
        title: Its name for people.
        contents: Its definition, in any of fal's dialects, as it was sent.
        is_public: Kept as it was sent; whoever may call the server may call all its workflows.
        created_at: When it was saved first, ISO 8601 in UTC.
    """

    name: str
    title: str
    contents: dict[str, Any]
    is_public: bool
    created_at: str

    @classmethod
    def read(cls, facts: dict[str, Any], *, created_at: str = "") -> SavedWorkflow:
        """Make one of what a caller sent, or of what a file holds.

        Raises:
            InputError: Something is missing or is not what it should be; `field` says what.
        """
        name, title, contents = (
            facts.get("name"),
            facts.get("title") or facts.get("name"),
            facts.get("contents"),
        )
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise InputError("a name has 1 to 128 letters, digits, _ and -", field="name")
        if not isinstance(title, str) or len(title) > _TITLE:
            raise InputError(f"a title is a text of up to {_TITLE} characters", field="title")
        if not isinstance(contents, dict):
            raise InputError("Input should be a valid dictionary", field="contents")
        is_public = facts.get("is_public", True)
        if not isinstance(is_public, bool):
            raise InputError("Input should be a valid boolean", field="is_public")
        try:
            read_graph(contents)
            size = len(json.dumps(contents))
        except InputError as error:
            raise InputError(str(error), field=f"contents.{error.field}") from error
        except RecursionError as error:
            raise InputError("it is nested too deep", field="contents") from error
        if size > LARGEST:
            raise InputError(f"it is larger than {LARGEST // 2**20} MiB", field="contents")
        created = created_at or datetime.now(UTC).isoformat(timespec="microseconds")
        return cls(name=name, title=title, contents=contents, is_public=is_public, created_at=created)

    def facts(self) -> dict[str, Any]:
        """The same as a JSON object."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


class NameTaken(InputError):
    """There is a workflow of that name already."""


class SavedWorkflows:
    """The workflows in one folder.

    Args:
        folder: Where they are; made when the first is saved.
        nickname: Whose they are.
        catalogue: Is told of each, so that it can be called.
    """

    def __init__(self, folder: Path, nickname: str, catalogue: Catalogue) -> None:
        self.nickname = nickname
        self._folder = folder
        self._catalogue = catalogue
        self._saved: dict[str, SavedWorkflow] = {}
        self._writing = asyncio.Lock()

    def load(self) -> None:
        """Read the folder. What is no workflow there is left alone."""
        for path in sorted(self._folder.glob("*.json"))[:MOST]:
            try:
                facts = json.loads(path.read_text("utf-8"))
                workflow = SavedWorkflow.read(facts, created_at=str(facts.get("created_at", "")))
            except (OSError, ValueError, RecursionError, AttributeError, InputError):
                continue
            if path.stem == workflow.name:
                self._answer(workflow)

    async def refresh(self) -> None:
        """Learn of what other servers have saved; nobody else writes into a folder."""

    def all(self) -> list[SavedWorkflow]:
        """All of them, newest first."""
        return sorted(self._saved.values(), key=lambda workflow: workflow.created_at, reverse=True)

    def get(self, user: str, name: str) -> SavedWorkflow | None:
        """One of them, None where there is none of that user and name."""
        return self._saved.get(name) if user == self.nickname else None

    async def save(self, workflow: SavedWorkflow, *, anew: bool) -> None:
        """Keep a workflow.

        Args:
            workflow: The workflow.
            anew: Whether there must be none of its name; else it takes that one's place.

        Raises:
            NameTaken: There is one of its name.
            InputError: There are too many.
            OSError: The disk does not take it.
        """
        async with self._writing:
            if anew and len(self._saved) >= MOST:
                raise InputError(f"{MOST} workflows are saved already", field="name")
            if (anew and workflow.name in self._saved) or not await self._keep(workflow, anew=anew):
                raise NameTaken(f"there is a workflow {workflow.name!r} already", field="name")
            self._answer(workflow)

    async def delete(self, name: str) -> None:
        """Forget a workflow."""
        async with self._writing:
            await self._drop(name)
            self._forget(name)

    async def _keep(self, workflow: SavedWorkflow, *, anew: bool) -> bool:
        """Write a workflow down; tells whether its name was free, where it had to be."""
        del anew  # the folder is this server's own, so what is known is what is there
        await asyncio.to_thread(self._write, workflow)
        return True

    async def _drop(self, name: str) -> None:
        """Keep a workflow no more."""
        await asyncio.to_thread(self._path(name).unlink, missing_ok=True)

    def _forget(self, name: str) -> None:
        self._saved.pop(name, None)
        self._catalogue.remove(self._endpoint(name))

    def _write(self, workflow: SavedWorkflow) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        draft = self._folder / f"{workflow.name}.{secrets.token_hex(4)}"
        draft.write_text(json.dumps(workflow.facts(), indent=1), "utf-8")
        os.replace(draft, self._path(workflow.name))  # noqa: PTH105 - Path.replace, said plainly: it is atomic

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _endpoint(self, name: str) -> str:
        return f"workflows/{self.nickname}/{name}"

    def _answer(self, workflow: SavedWorkflow) -> None:
        self._saved[workflow.name] = workflow
        definition = read_definition(workflow.contents)
        graph = Graph.of(definition)
        self._catalogue.add(
            Entry(
                id=self._endpoint(workflow.name),
                title=workflow.title,
                description=f"A saved workflow: {', '.join(step.app for step in graph.steps.values())}"[:300],
                category="workflow",
                input=_input_schema(definition),
                output={
                    "properties": {},
                    **understood(definition.gives),
                    "type": "object",
                    "title": "WorkflowOutput",
                },
                graph=graph,
            )
        )


def _input_schema(definition: Definition) -> dict[str, Any]:
    """What a workflow takes, as far as its author says; its steps judge what that leaves open."""
    return {
        "type": "object",
        "title": "WorkflowInput",
        "properties": {name: understood(facts) for name, facts in definition.inputs.items()},
        "required": [name for name, facts in definition.inputs.items() if "default" not in facts],
    }
