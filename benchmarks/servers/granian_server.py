"""The raw ASGI application on granian with one worker and uvloop, access log off."""

from granian import Granian
from granian.constants import Interfaces, Loops

from benchmarks.servers.startup import ADDRESS, arguments

if __name__ == "__main__":
    Granian(
        "benchmarks.servers.asgi_app:app",
        address=ADDRESS,
        port=arguments(__doc__).port,
        # ASGI without the lifespan protocol.
        interface=Interfaces.ASGINL,
        workers=1,
        loop=Loops.uvloop,
        log_access=False,
        log_enabled=False,
    ).serve()
