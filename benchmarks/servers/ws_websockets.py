"""Echo of WebSocket messages, and a room for all, with the `websockets` library."""

from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed

from benchmarks.servers.startup import ADDRESS, BACKLOG, LOOPS, arguments, run

EVERYBODY: set[ServerConnection] = set()


async def handle(connection: ServerConnection) -> None:
    """Send each message back, or to all."""
    try:
        if connection.request is not None and connection.request.path == "/room":
            EVERYBODY.add(connection)
            async for message in connection:
                broadcast(EVERYBODY, message)
        else:
            async for message in connection:
                await connection.send(message)
    except ConnectionClosed:
        pass
    finally:
        EVERYBODY.discard(connection)


async def main(port: int) -> None:
    """Listen."""
    # The others send no pings unless they are told to.
    await serve(
        handle, ADDRESS, port, backlog=BACKLOG, max_size=4 * 1024 * 1024, ping_interval=None
    )


if __name__ == "__main__":
    options = arguments(__doc__, LOOPS)
    run(main(options.port), options.loop)
