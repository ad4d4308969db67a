"""Who runs a workflow, and what it is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbkit.client.client import Client
from nbkit.credentials import find_fal_key
from nbkit.endpoints.declare import declared
from nbkit.errors import InputError
from nbkit.model.checking import check as check_input
from nbkit.model.endpoint import Endpoint
from nbkit.transport.loop import wait
from nbkit.wire.fal.dialects import as_executed
from nbkit.workflows.checking import Checked
from nbkit.workflows.report import Problem
from nbkit.workflows.schemas import Schemas, Unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nbkit.model.schema import Schema
    from nbkit.wire.fal.definition import Definition


class Runner:
    """The clients that answer a workflow's endpoints.

    Args:
        client: The only one; without it the embedded server's for what is answered there alone, else one that chooses.
    """

    def __init__(self, client: Client | None) -> None:
        self._given = client
        self._made: dict[str, Client] = {}
        self._schemas = Schemas()

    def client(self, apps: Iterable[str]) -> Client:
        """Who answers all of some endpoints: what this machine alone has cannot be called from elsewhere."""
        if self._given is not None:
            return self._given
        provider = "local" if any(map(_is_here, apps)) else "auto"
        if provider not in self._made:
            self._made[provider] = Client(provider)
        return self._made[provider]

    def gives(self, app: str) -> Mapping[str, Any]:
        """JSON Schema of what an endpoint gives, empty where it is not known."""
        found = self._schemas.get(app, self.client([app]))
        return {} if isinstance(found, Unknown) else found.output

    def checked(self, definition: Definition) -> Checked:
        """A definition beside what its endpoints say of themselves."""
        apps = list(dict.fromkeys(step.app for step in definition.steps.values()))
        client = self.client(apps)
        schemas: dict[str, Schema | Unknown] = {}
        for app in apps:
            try:
                if Endpoint.parse(app).provider != "dify":
                    schemas[app] = self._schemas.get(app, client)
            except InputError:  # the check says so
                continue
        return Checked(definition, schemas, tuple(self._stand_ins(apps)))

    def request(self, definition: Definition, given: dict[str, Any], *, check: bool) -> dict[str, Any]:
        """What `workflows/execute` is sent.

        Raises:
            InputError: The workflow has problems, or the input does not fit.
        """
        inputs = definition.inputs
        self._hand_over(definition)
        if check:
            checked = self.checked(definition)
            described = checked.described().inputs
            required = [name for name, facts in inputs.items() if "default" not in facts]
            schema = {"properties": described, "required": required, "additionalProperties": False}
            wrong = check_input(given, schema, f"the workflow {definition.name}")
            report = checked.report()
            report.adding(Problem(f"input.{it.field}", it.message) for it in wrong).insist()
        defaults = {name: facts["default"] for name, facts in inputs.items() if "default" in facts}
        return {"input": {**defaults, **given}, "workflow": as_executed(definition)}

    def _hand_over(self, definition: Definition) -> None:
        """See to it that the server has those of the steps that are functions of this process, as they are now."""
        for app in dict.fromkeys(step.app for step in definition.steps.values()):
            if declared(app) is not None:
                session = self.client([app])._calls.session  # noqa: SLF001 - clients hand over what they call alone
                wait(session.line(Endpoint.parse(app)))

    def _stand_ins(self, apps: list[str]) -> Iterable[str]:
        """The endpoints of fal that are answered on this machine although there is a key for fal."""
        here = [app for app in apps if _is_here(app)]
        if self._given is None and here and len(here) < len(apps) and find_fal_key() is not None:
            return [app for app in apps if app not in here]
        return []


def _is_here(app: str) -> bool:
    try:
        return Endpoint.parse(app).provider == "local" or declared(app) is not None
    except InputError:
        return False
