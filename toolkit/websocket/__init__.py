"""WebSocket, of a server and of a client (RFC 6455, RFC 7692).

Example::

    class Echo(WebSocketHandler):
        async def on_message(self, message):
            await self.write_message(message)

    Application([("/echo", Echo)]).listen(8888, "127.0.0.1")

and a client for it::

    async with connect("ws://127.0.0.1:8888/echo") as connection:
        await connection.write_message("hello")
        print(await connection.read_message())
"""

from toolkit.websocket.client import WebSocketClientConnection, websocket_connect
from toolkit.websocket.errors import WebSocketClosedError, WebSocketError
from toolkit.websocket.handler import WebSocketHandler
from toolkit.websocket.options import RateLimit, SendQueue
from toolkit.websocket.pinging import de_dupe_gen_log
from toolkit.websocket.protocol import WebSocketProtocol, WebSocketProtocol13
from toolkit.websocket.reconnecting import Backoff, connect
from toolkit.websocket.rooms import Room, Rooms

__all__ = [
    "Backoff",
    "RateLimit",
    "Room",
    "Rooms",
    "SendQueue",
    "WebSocketClientConnection",
    "WebSocketClosedError",
    "WebSocketError",
    "WebSocketHandler",
    "WebSocketProtocol",
    "WebSocketProtocol13",
    "connect",
    "de_dupe_gen_log",
    "websocket_connect",
]
