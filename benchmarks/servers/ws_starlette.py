"""Echo of WebSocket messages, and a room for all, with Starlette on uvicorn."""

import gc
import signal

import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from benchmarks.servers.startup import ADDRESS, BACKLOG, COLLECT, arguments

EVERYBODY: set[WebSocket] = set()


async def echo(socket: WebSocket) -> None:
    """Send each message back."""
    await socket.accept()
    try:
        while True:
            await socket.send_text(await socket.receive_text())
    except WebSocketDisconnect:
        pass


async def room(socket: WebSocket) -> None:
    """Send each message to all."""
    await socket.accept()
    EVERYBODY.add(socket)
    try:
        while True:
            message = await socket.receive_text()
            for client in list(EVERYBODY):
                await client.send_text(message)
    except WebSocketDisconnect:
        EVERYBODY.discard(socket)


if __name__ == "__main__":
    signal.signal(COLLECT, lambda number, frame: gc.collect())
    uvicorn.run(
        Starlette(routes=[WebSocketRoute("/echo", echo), WebSocketRoute("/room", room)]),
        host=ADDRESS,
        port=arguments(__doc__).port,
        loop="uvloop",
        lifespan="off",
        ws_ping_interval=None,
        backlog=BACKLOG,
        access_log=False,
        log_level="error",
    )
