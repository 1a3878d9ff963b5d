"""The raw ASGI application on uvicorn with uvloop and httptools, access log off."""

from typing import Any

import uvicorn

from benchmarks.servers.asgi_app import app
from benchmarks.servers.startup import ADDRESS, BACKLOG, arguments


def serve(app: Any, port: int, lifespan: bool = False) -> None:
    """Serve an ASGI application until the process is ended."""
    uvicorn.run(
        app,
        host=ADDRESS,
        port=port,
        backlog=BACKLOG,
        loop="uvloop",
        http="httptools",
        lifespan="on" if lifespan else "off",
        access_log=False,
        log_level="warning",
    )


if __name__ == "__main__":
    serve(app, arguments(__doc__).port)
