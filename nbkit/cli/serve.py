"""`nbkit serve`: the embedded server in the foreground."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from pathlib import Path
from typing import Any

from nbkit.errors import NbkitError

KEY_VARIABLE = "NBKIT_SERVER_KEY"
STORE_VARIABLE = "NBKIT_SERVER_STORE"
DATABASE_VARIABLE = "NBKIT_DATABASE_URL"


def add_parser(subparsers: Any) -> None:
    """Add the subcommand to a command line.

    Args:
        subparsers: What `argparse.ArgumentParser.add_subparsers` gave.
    """
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "serve",
        help="run the embedded server",
        description="Serve fal's protocol and Dify's on this machine, answered by models that run on its CPU.",
    )
    parser.add_argument(
        "files",
        nargs="*",
        type=Path,
        metavar="FILE",
        help="Python files with functions under @nbkit.endpoint",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=int, default=8188, help="port, 0 for any free one (default: %(default)s)"
    )
    parser.add_argument(
        "--data-dir",
        type=Path,
        metavar="DIR",
        help="folder for files and requests (of one server, or of those of one database)",
    )
    parser.add_argument(
        "--store",
        metavar="URL",
        help="where files are, for servers and workers that share them: s3://bucket/folder, file:///mnt/lab "
        f"(or the variable {STORE_VARIABLE}; default: the data folder)",
    )
    parser.add_argument(
        "--models-dir",
        action="append",
        default=[],
        type=Path,
        metavar="DIR",
        help="let callers of local/diffusers name models below this folder (or: the variable NBKIT_MODELS_DIR)",
    )
    parser.add_argument("--key", help=f"key that callers must show (better: the variable {KEY_VARIABLE})")
    parser.add_argument(
        "--database",
        metavar="URL",
        help="PostgreSQL that several servers share: postgresql://user@host:5432/name "
        f"(with a password better: the variable {DATABASE_VARIABLE})",
    )
    parser.add_argument(
        "--keys-file",
        type=Path,
        metavar="FILE",
        help="further keys, one user's each (`nbkit keys add NAME --file FILE`); changes are taken at once",
    )
    parser.add_argument("--max-body", type=int, metavar="MIB", help="largest JSON body (default: 16)")
    parser.add_argument(
        "--max-queued", type=int, metavar="N", help="most requests that wait (default: 10000)"
    )
    parser.add_argument(
        "--max-runs-per-user", type=int, metavar="N", help="most requests of one user that wait or run"
    )
    parser.add_argument("--max-connections", type=int, metavar="N", help="most open connections")
    parser.add_argument("--workers", type=int, metavar="N", help="requests that are computed at once")
    parser.add_argument(
        "--executor",
        metavar="ADDRESS",
        help="where requests are computed: dask://HOST:8786, a Dask scheduler (default: processes of this machine)",
    )
    parser.add_argument(
        "--worker-host",
        metavar="HOST",
        help="the address of this machine that its workers call (default: the one that the scheduler sees)",
    )
    parser.add_argument(
        "--memory-limit",
        metavar="SIZE",
        help="memory that a worker may hold, as 8GB (default: three quarters of what there is)",
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="answer to this name besides loopback's",
    )
    parser.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="let pages of this origin call from a browser without a key, besides those of this machine",
    )
    parser.add_argument(
        "--nickname",
        metavar="NAME",
        help="whose the saved workflows are: workflows/NAME/… (default: local)",
    )
    parser.add_argument(
        "--dify-version",
        metavar="VERSION",
        help="which Dify the workflow API at /v1 speaks like: 0.6 or 1.13 (default: 1.13)",
    )
    parser.add_argument(
        "--drain-seconds",
        type=float,
        metavar="SECONDS",
        help="how long running requests may take to end at SIGTERM or Ctrl-C; a second one ends them (default: 30)",
    )
    parser.add_argument(
        "--json-logs", action="store_true", help="write what happens to standard error, a JSON object a line"
    )
    # How a notebook's kernel starts it: with a pipe that ends with the kernel, however that ends.
    parser.add_argument("--exit-with-parent", action="store_true", help=argparse.SUPPRESS)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve until interrupted; gives the exit code."""
    try:
        from nbkit.endpoints.declare import bytes_of
        from nbkit.server import logs
        from nbkit.server.host import Host
        from nbkit.server.model_folders import allowed_folders
        from nbkit.server.settings import MiB, Settings
        from nbkit.server.throw_away import throw_away_folder
    except ModuleNotFoundError as error:
        print(f"nbkit serve needs {error.name}: pip install 'nbkit-media[local]'", file=sys.stderr)
        return 1
    # Taken out, so that models do not inherit them. A kernel's own server shares nothing unless it is told to.
    database, shown = os.environ.pop(DATABASE_VARIABLE, None), os.environ.pop(KEY_VARIABLE, None)
    key = options.key or shown
    chosen = {
        "host": options.host,
        "port": options.port,
        "data_dir": options.data_dir,
        "database": options.database or (None if options.exit_with_parent else database),
        # Only the kernel knows the key of its own server, and its user may read what the server may.
        "models_dirs": allowed_folders(options.models_dir, all_too=options.exit_with_parent and bool(key)),
        "key": key,
        "keys_file": options.keys_file,
        "max_json_bytes": None if options.max_body is None else options.max_body * MiB,
        "max_queued": options.max_queued,
        "max_runs_per_user": options.max_runs_per_user,
        "max_connections": options.max_connections,
        "workers": options.workers,
        "executor": options.executor,
        "worker_host": options.worker_host,
        "endpoint_files": tuple(options.files),
        "takes_functions": options.exit_with_parent,
        "allowed_hosts": tuple(options.allow_host),
        "allowed_origins": tuple(options.allow_origin),
        "nickname": options.nickname,
        "dify_version": options.dify_version,
        # What is set for a server that several share is not for the one that a kernel has for itself.
        "store": options.store or (None if options.exit_with_parent else os.environ.get(STORE_VARIABLE)),
        "drain_seconds": 0.0 if options.exit_with_parent else options.drain_seconds,
    }
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.closing(logs.configure(as_json=options.json_logs)))
        try:
            if options.memory_limit:
                chosen["memory_limit"] = bytes_of(options.memory_limit, "--memory-limit")
            if options.exit_with_parent and options.data_dir is None:
                # A notebook's kernel is alone with its server, and several of them shall not meet in one folder.
                chosen["data_dir"] = stack.enter_context(throw_away_folder())
            settings = Settings(**{name: value for name, value in chosen.items() if value is not None})
            host = Host(settings)
        except (NbkitError, OSError) as error:
            print(f"nbkit serve: {error}", file=sys.stderr)
            return 1
        if options.exit_with_parent:
            host.stop_with_parent()
        host.run(lambda url: print(f"nbkit server listening on {url}", flush=True))
    return 0
