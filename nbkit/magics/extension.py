"""What `%load_ext nbkit` does, and undoes."""

from __future__ import annotations

import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_MATCHER, _TRAITS = "_nbkit_matcher", "_nbkit_traits"
_NAMES = (("cell", "generate"), ("line", "generate"), ("line", "nbkit"))


def load(shell: InteractiveShell) -> None:
    """Register the magics and the completion of their options."""
    from nbkit.magics.completion import make_matcher
    from nbkit.magics.formatters import add_formatters
    from nbkit.magics.generate import GenerateMagics
    from nbkit.magics.nbkit_magic import NbkitMagics
    from nbkit.magics.notebook import Notebook

    notebook = Notebook(shell)
    shell.register_magics(GenerateMagics(shell, notebook), NbkitMagics(shell, notebook))
    configurables: list[Any] = shell.configurables  # what `%config` knows
    configurables.append(notebook.traits)
    setattr(shell, _TRAITS, notebook.traits)
    matcher = make_matcher(notebook)
    shell.Completer.custom_matchers.append(matcher)
    setattr(shell, _MATCHER, matcher)
    add_formatters(shell, notebook.originals)
    _tell_orphans_after(shell)
    threading.Thread(target=_load_ahead, name="nbkit-load", daemon=True).start()


def _tell_orphans_after(shell: InteractiveShell) -> None:
    """Say, once the cell that loads the extension is over, whether the last kernel left runs behind."""

    def tell(*_result: object) -> None:
        shell.events.unregister("post_run_cell", tell)
        with suppress(Exception):  # whatever is wrong with the history is told by the runs
            from nbkit.display.cell import current_cell
            from nbkit.history.orphans import count_orphans

            if count := count_orphans(current_cell().notebook):
                runs = "1 run was" if count == 1 else f"{count} runs were"
                sys.stdout.write(f"{runs} under way when the kernel ended: %nbkit resume\n")

    shell.events.register("post_run_cell", tell)


def _load_ahead() -> None:
    """Load what the first request needs while its cell is still being written: a quarter of a second's work."""
    import nbkit.client.client
    import nbkit.magics.subcommands
    import nbkit.widgets.live  # noqa: F401
    from nbkit.transport import bridge

    bridge.certificates()


def unload(shell: InteractiveShell) -> None:
    """Take away what `load` gave; what is not there is left alone."""
    from nbkit.magics.formatters import remove_formatters

    remove_formatters(shell)
    for kind, name in _NAMES:
        shell.magics_manager.magics[kind].pop(name, None)
    things: list[Any]
    for things, name in ((shell.Completer.custom_matchers, _MATCHER), (shell.configurables, _TRAITS)):
        with suppress(ValueError):
            things.remove(shell.__dict__.pop(name, None))
