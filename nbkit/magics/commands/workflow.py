"""Draws a workflow's file and tells what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbkit.display.slot import Slot
from nbkit.errors import InputError
from nbkit.magics.command import Command

if TYPE_CHECKING:
    from nbkit.magics.command import Call


def workflow(call: Call) -> None:
    """Draw a workflow of a file and check it."""
    name = call.text.strip().strip("\"'")
    if not name:
        raise InputError("say which file: %nbkit workflow postcard.json")
    from nbkit.workflows.workflow import Workflow

    flow = Workflow.load(name)
    for shown in (flow, flow.check()):
        Slot().end(shown._repr_mimebundle_())


COMMANDS = (Command("workflow", workflow, takes="FILE"),)
