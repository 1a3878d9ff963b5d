"""`as_asgi`: an application of ours, for the ASGI servers of others."""

from typing import Any

from toolkit.asgi.guest_exchange import GuestExchange
from toolkit.asgi.guest_websocket import GuestWebSocket
from toolkit.asgi.messages import ASGIApplication, Receive, Scope, Send
from toolkit.httpserver import Lifespan, as_application, in_one_line, lifespan_of


def as_asgi(application: Any) -> ASGIApplication:
    """Return an ASGI 3 application that answers by one of ours.

    For uvicorn, hypercorn, granian and other ASGI servers, in a module ``site``::

        app = as_asgi(Application([(r"/", MainHandler)]))      # uvicorn site:app

    Content streams both ways, WebSockets are served, and lifespans of the application run. What
    are options of `HTTPServer`, such as time-outs, is up to the other server, and so is the
    connection: `RequestHandler.detach` is not there.

    Args:
        application: whatever an `HTTPServer` serves.
    Raises:
        TypeError: it is nothing of the kind.
    """
    handle = as_application(application, None)
    life = lifespan_of(application)

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "http":
            await GuestExchange(scope, receive, send).serve(handle)
        elif kind == "websocket":
            await GuestWebSocket(scope, receive, send).serve(handle)
        elif kind == "lifespan":
            await _live(life or Lifespan(), receive, send)
        else:
            raise ValueError(
                f"scope of type {kind!r:.50}; http, websocket and lifespan are allowed"
            )

    return asgi


async def _live(life: Lifespan, receive: Receive, send: Send) -> None:
    """Run the lifespan of an application."""
    await receive()
    try:
        await life.hold()
    except Exception as error:
        await send({"type": "lifespan.startup.failed", "message": in_one_line(error)})
        return
    try:
        await send({"type": "lifespan.startup.complete"})
        await receive()
    finally:
        await life.release()
    await send({"type": "lifespan.shutdown.complete"})
