"""Echo of WebSocket messages, and a room for all, with aiohttp."""

from aiohttp import WSMsgType, web

from benchmarks.servers.startup import ADDRESS, BACKLOG, LOOPS, arguments, run

EVERYBODY: set[web.WebSocketResponse] = set()


async def echo(request: web.Request) -> web.WebSocketResponse:
    """Send each message back."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)
        else:
            await socket.send_bytes(message.data)
    return socket


async def room(request: web.Request) -> web.WebSocketResponse:
    """Send each message to all."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    EVERYBODY.add(socket)
    try:
        async for message in socket:
            for client in list(EVERYBODY):
                await client.send_str(message.data)
    finally:
        EVERYBODY.discard(socket)
    return socket


async def main(port: int) -> None:
    """Listen."""
    app = web.Application()
    app.add_routes([web.get("/echo", echo), web.get("/room", room)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, ADDRESS, port, backlog=BACKLOG).start()


if __name__ == "__main__":
    options = arguments(__doc__, LOOPS)
    run(main(options.port), options.loop)
