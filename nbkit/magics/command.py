"""A subcommand of `%nbkit`: its name, what it is given, and what it tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from nbkit.magics.notebook import Notebook


@dataclass(frozen=True, slots=True)
class Told:
    """A line and a table, and an error that fails the cell once they are shown."""

    title: str
    rows: Sequence[Sequence[str]]
    columns: Sequence[str] = ()
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One use of a subcommand.

    Attributes:
        notebook: Where it was used.
        text: What stands behind the name of the subcommand, as it was written.
    """

    notebook: Notebook
    text: str = ""

    @property
    def words(self) -> list[str]:
        """The same, split at white space."""
        return self.text.split()


def _nothing(_call: Call) -> Iterable[str]:
    return ()


@dataclass(frozen=True, slots=True)
class Command:
    """One subcommand.

    Attributes:
        name: What follows `%nbkit`, one word or two.
        run: What it does. Its docstring is its line in the help; it raises `InputError` for what cannot be meant, and
            returns None where it shows its answer itself.
        takes: What may follow its name, as help writes it; an empty string where nothing may.
        offers: What TAB offers for the word after `call.text`; it must not wait for anything.
    """

    name: str
    run: Callable[[Call], Told | None]
    takes: str = ""
    offers: Callable[[Call], Iterable[str]] = _nothing

    @property
    def summary(self) -> str:
        """What it does, in a few words."""
        return str(self.run.__doc__).partition("\n")[0].rstrip(".")

    @property
    def usage(self) -> str:
        """How it is written."""
        return f"%nbkit {self.name} {self.takes}".rstrip()
