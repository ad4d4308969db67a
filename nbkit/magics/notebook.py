"""What the magics of one shell share."""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbkit.display.escape import clean
from nbkit.errors import InputError
from nbkit.magics.offers import Offers
from nbkit.magics.settings import Nbkit, read
from nbkit.magics.template import nearest
from nbkit.widgets.originals import Originals

if TYPE_CHECKING:
    from collections.abc import Iterable, MutableMapping

    from IPython.core.interactiveshell import InteractiveShell

    from nbkit.client.client import Client
    from nbkit.client.run import Run
    from nbkit.magics.settings import Settings
    from nbkit.widgets.live import LiveCard

_MOST_KEPT = 200


@dataclass(slots=True, eq=False)
class Job:
    """A run that a cell began in the background.

    Attributes:
        run: The run.
        card: What keeps the cell's output up to date.
        cell: The cell's number, as `In [3]` shows it.
        name: The variable that the cell named, an empty string for none.
        is_told: Whether somebody waited for its end.
    """

    run: Run
    card: LiveCard
    cell: int
    name: str = ""
    is_told: bool = False


class Notebook:
    """One shell with its variables, and the client, the runs and the short names that its cells use.

    Args:
        shell: The shell.

    Attributes:
        shell: The shell.
        variables: What its cells have named.
        aliases: Short names for endpoints with options, given in this session, as they were written.
        traits: What `%config Nbkit.…` sets.
        used: The endpoints that its cells called, the newest last.
        default: The endpoint that answered the last cell that named none.
        offers: What TAB knows of endpoints.
        originals: The folder beside the notebook for whole files, which previews link to.
        jobs: The runs that cells began in the background, oldest first.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self.variables: MutableMapping[str, Any] = shell.user_ns
        self.aliases: dict[str, str] = {}
        self.traits = Nbkit(parent=shell)
        self.jobs: list[Job] = []
        self.used: dict[str, None] = {}
        self.default = ""
        self.offers = Offers(lambda: self.client)
        # Where the notebook lies: the working folder as it was before any cell could change it.
        self.originals = Originals(Path.cwd())
        self._client: Client | None = None
        self._making = threading.Lock()
        self._told: set[str] = set()

    def settings(self) -> Settings:
        """What is set now."""
        return read(self.traits, self.aliases)

    def warn(self, problems: Iterable[str]) -> None:
        """Tell what is wrong with the settings, each problem once."""
        for problem in problems:
            if problem not in self._told:
                self._told.add(problem)
                sys.stderr.write(f"nbkit: {clean(problem)}\n")

    @property
    def client(self) -> Client:
        """The client of all cells, made when the first one needs it."""
        from nbkit.client.client import Client

        with self._making:  # TAB asks for it on a thread of its own
            if self._client is None:
                self._client = Client()
            return self._client

    def calls(self, endpoint: str, *, is_default: bool) -> None:
        """Note what a cell calls, and whether it named it."""
        self.used.pop(endpoint, None)
        self.used[endpoint] = None
        if is_default:
            self.default = endpoint

    def began(self, run: Run, card: LiveCard, name: str) -> None:
        """Note a run that the cell running now began in the background; the oldest that are over are forgotten."""
        # The shell's own count may be that of the next cell already.
        history = self.shell.history_manager
        cell = len(history.input_hist_raw) - 1 if history else 0
        self.jobs.append(Job(run, card, cell, name))
        over = [job for job in self.jobs if job.run.is_done]
        for job in over[: max(0, len(self.jobs) - _MOST_KEPT)]:
            self.jobs.remove(job)

    @property
    def under_way(self) -> list[Job]:
        """The runs that are not over."""
        return [job for job in self.jobs if not job.run.is_done]

    def find(self, words: Iterable[str]) -> list[Job]:
        """The runs that some words mean: ids or the beginnings of ids, names of variables, `all` for those under way.

        Raises:
            InputError: A word means none, or more than one.
        """
        found: dict[Job, None] = {}
        for word in words:
            found |= dict.fromkeys(self.under_way if word == "all" else [self._find_one(word)])
        return list(found)

    def _find_one(self, word: str) -> Job:
        named = [job for job in self.jobs if word in (job.name, job.run.id)]
        begun = [job for job in self.jobs if job.run.id.startswith(word)]
        if named:
            return named[-1]
        if len(begun) == 1:
            return begun[0]
        if begun:
            raise InputError(f"{word!r} begins the ids of {len(begun)} runs", hint="write more of the id")
        known = [name for job in self.jobs for name in (job.run.id, job.name) if name]
        hint = nearest(word, known) or "`%nbkit jobs` lists the runs that are under way"
        raise InputError(f"no cell began a run {word[:60]!r} in the background", hint=hint)
