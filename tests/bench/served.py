"""`python -m tests.bench.served nbkit|bare|EXECUTOR`: nbkit's server, or starlette alone on uvicorn set up alike."""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import sys
import uuid
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import ipyparallel
import uvicorn
from distributed import LocalCluster
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from nbkit.server.catalogue import Catalogue, Entry
from nbkit.server.host import Host
from nbkit.server.settings import Settings

if TYPE_CHECKING:
    from starlette.requests import Request

_ANY: dict[str, Any] = {"type": "object", "properties": {}}


def _entry(name: str) -> Entry:
    return Entry(
        id=f"bench/{name}",
        title=name,
        description=name,
        category="test",
        input=_ANY,
        output=_ANY,
        model=f"tests.bench.served_models:{name}",
    )


def serve_nbkit(executor: Any = None) -> None:
    """The embedded server, with a model that does nothing and one that waits."""
    database = os.environ.get("NBKIT_DATABASE_URL", "")
    settings = Settings(port=0, drain_seconds=0, workers=2, executor=executor, database=database)
    host = Host(settings, Catalogue([_entry("noop"), _entry("wait")]))
    host.run(lambda url: print(json.dumps(f"{url}/queue"), flush=True))  # noqa: T201


def serve_by(executor: str) -> None:
    """The same, computed by an executor with two places."""
    with ExitStack() as stack:
        if executor == "threads":
            serve_nbkit(stack.enter_context(ThreadPoolExecutor(2)))
        elif executor == "processes":
            serve_nbkit(stack.enter_context(ProcessPoolExecutor(2, multiprocessing.get_context("spawn"))))
        elif executor == "dask":
            cluster = stack.enter_context(
                LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
            )
            serve_nbkit(stack.enter_context(cluster.get_client()))
        else:
            engines = stack.enter_context(ipyparallel.Cluster(n=2, log_level=50))
            serve_nbkit(engines.load_balanced_view().executor)


def _ticket(request: Request, request_id: str) -> dict[str, Any]:
    home = f"{request.base_url}queue/bench/noop/requests/{request_id}"
    urls = {"response_url": home, "status_url": f"{home}/status", "cancel_url": f"{home}/cancel"}
    return {"status": "COMPLETED", "request_id": request_id, "logs": [], "metrics": {}, **urls}


async def _submit(request: Request) -> JSONResponse:
    await request.json()
    return JSONResponse(_ticket(request, str(uuid.uuid4())))


async def _status(request: Request) -> JSONResponse:
    return JSONResponse(_ticket(request, request.path_params["request_id"]))


def serve_bare() -> None:
    """Two routes that answer the same shapes and do nothing else."""
    app = Starlette(
        routes=[
            Route("/queue/bench/noop", _submit, methods=["POST"]),
            Route("/queue/bench/noop/requests/{request_id}/status", _status),
        ]
    )
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    config = uvicorn.Config(app, access_log=False, log_level="warning", server_header=False)
    print(json.dumps(f"http://127.0.0.1:{listener.getsockname()[1]}/queue"), flush=True)  # noqa: T201
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    {"nbkit": serve_nbkit, "bare": serve_bare}.get(sys.argv[1], partial(serve_by, sys.argv[1]))()
