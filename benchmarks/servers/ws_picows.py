"""Echo of WebSocket messages, and a room for all, with picows, which checks no text."""

from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

from benchmarks.servers.startup import ADDRESS, BACKLOG, LOOPS, arguments, run

EVERYBODY: set[WSTransport] = set()


class Echo(WSListener):
    """Send each message back."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()
        else:
            transport.send(frame.msg_type, frame.get_payload_as_memoryview())


class Everybody(WSListener):
    """Send each message to all."""

    def on_ws_connected(self, transport: WSTransport) -> None:
        EVERYBODY.add(transport)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        EVERYBODY.discard(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        payload = frame.get_payload_as_bytes()
        for client in EVERYBODY:
            client.send(frame.msg_type, payload)


def choose(request: WSUpgradeRequest) -> WSListener:
    """Return what a path leads to."""
    return Everybody() if request.path == b"/room" else Echo()


async def main(port: int) -> None:
    """Listen."""
    server = await ws_create_server(choose, ADDRESS, port, backlog=BACKLOG)
    await server.start_serving()


if __name__ == "__main__":
    options = arguments(__doc__, LOOPS)
    run(main(options.port), options.loop)
