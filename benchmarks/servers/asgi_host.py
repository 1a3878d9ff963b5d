"""An ASGI application on one of the servers, one process on uvloop, access log off."""

import argparse
import asyncio
import importlib
import logging
from typing import Any

from benchmarks.servers.startup import ADDRESS

APPLICATIONS = {
    "raw": "benchmarks.servers.asgi_app",
    "starlette": "benchmarks.servers.asgi_starlette",
    "fastapi": "benchmarks.servers.asgi_fastapi",
}
"""The modules of the applications, each of which has an ``app``."""


def toolkit(app: str, port: int) -> None:
    """Serve by the project."""
    import uvloop

    from toolkit.asgi import ASGIContainer
    from toolkit.httpserver import HTTPServer

    async def main() -> None:
        application: Any = importlib.import_module(app).app
        HTTPServer(ASGIContainer(application, lifespan="off")).listen(port, ADDRESS)
        await asyncio.Event().wait()

    logging.getLogger("toolkit.access").setLevel(logging.ERROR)
    uvloop.run(main())


def uvicorn(app: str, port: int) -> None:
    """Serve by uvicorn with httptools."""
    import uvicorn

    uvicorn.run(
        f"{app}:app",
        host=ADDRESS,
        port=port,
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
    )


def hypercorn(app: str, port: int) -> None:
    """Serve by hypercorn."""
    import uvloop
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"{ADDRESS}:{port}"]
    config.accesslog = config.errorlog = None
    application: Any = importlib.import_module(app).app
    uvloop.run(serve(application, config, shutdown_trigger=asyncio.Event().wait))


def granian(app: str, port: int) -> None:
    """Serve by granian with one worker."""
    from granian import Granian
    from granian.constants import Interfaces, Loops

    Granian(
        f"{app}:app",
        address=ADDRESS,
        port=port,
        interface=Interfaces.ASGINL,
        workers=1,
        loop=Loops.uvloop,
        log_access=False,
        log_enabled=False,
    ).serve()


SERVERS = {"toolkit": toolkit, "uvicorn": uvicorn, "hypercorn": hypercorn, "granian": granian}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--server", choices=SERVERS, required=True)
    parser.add_argument("--app", choices=APPLICATIONS, required=True)
    options = parser.parse_args()
    SERVERS[options.server](APPLICATIONS[options.app], options.port)
