"""`python lab_server.py DATA_DIR PORT`: a server of the tests' faulty models, as a process that can be killed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from nbkit.errors import NbkitError
from nbkit.server.catalogue import Catalogue, Entry
from nbkit.server.endpoints import own_endpoints
from nbkit.server.host import Host
from nbkit.server.settings import Settings

ANY = {"type": "object", "title": "Any", "properties": {}}


def _entry(name: str) -> Entry:
    return Entry(
        id=f"lab/{name}",
        title=name,
        description=name,
        category="test",
        input=ANY,
        output=ANY,
        model=f"lab_models:{name}",
    )


def main() -> None:
    """Serve until killed."""
    settings = json.loads(sys.argv[3]) if len(sys.argv) > 3 else {}
    try:
        host = Host(
            Settings(data_dir=Path(sys.argv[1]), port=int(sys.argv[2]), **{"workers": 2} | settings),
            Catalogue([*own_endpoints(), *map(_entry, ("mark", "echo", "wait", "picture", "stubborn"))]),
        )
    except NbkitError as error:
        sys.exit(f"refused: {error}")
    host.run(lambda url: print(f"nbkit server listening on {url}", flush=True))  # noqa: T201 - what it is for


if __name__ == "__main__":
    main()
