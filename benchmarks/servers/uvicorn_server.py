"""The raw ASGI application on uvicorn with uvloop and httptools, access log off."""

import uvicorn

from benchmarks.servers.asgi_app import app
from benchmarks.servers.startup import ADDRESS, arguments

if __name__ == "__main__":
    uvicorn.run(
        app,
        host=ADDRESS,
        port=arguments(__doc__).port,
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
    )
