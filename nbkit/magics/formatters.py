"""Results and files as the last value of a cell: with their originals beside the notebook, as cards have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbkit.display.slot import in_notebook

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from nbkit.model.media import Files, Media
    from nbkit.model.result import Result
    from nbkit.widgets.originals import Originals

_RESULT = ("nbkit.model.result", "Result")
_MEDIA = ("nbkit.model.media", "Media")
_FILES = ("nbkit.model.media", "Files")


def add_formatters(shell: InteractiveShell, originals: Originals) -> None:
    """Let a shell show nbkit's values with links to their originals, which a value by itself cannot place."""

    def of_result(result: Result, **_choice: Any) -> Any:
        if not in_notebook():
            return result._repr_mimebundle_()
        from nbkit.display.card import bundle

        return bundle(originals.of(result.card())), result.facts()

    def of_files(files: Media | Files, **_choice: Any) -> Any:
        if not in_notebook():
            return files._repr_mimebundle_()
        from nbkit.display.figure import bundle

        return bundle([originals.keep(figure) for figure in files.figures()])

    for name, formatter in ((_RESULT, of_result), (_MEDIA, of_files), (_FILES, of_files)):
        _bundles(shell).for_type_by_name(*name, formatter)


def remove_formatters(shell: InteractiveShell) -> None:
    """Let values show themselves again; what is not there is left alone."""
    for module, name in (_RESULT, _MEDIA, _FILES):
        _bundles(shell).pop(f"{module}.{name}", None)


def _bundles(shell: Any) -> Any:
    return shell.display_formatter.mimebundle_formatter
