"""Tornado's WebSockets, run by an interpreter that has it: a client of a URL, or a server.

``tornado_peer.py URL`` prints what comes back for each message; ``tornado_peer.py`` serves echoes
and prints the port. With a last argument ``deflate`` both compress.
"""

import asyncio
import json
import sys

from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application
from tornado.websocket import WebSocketHandler, websocket_connect

MESSAGES = ["", "Hello", "κόσμε 😀" * 30, "again and again " * 20000]
DEFLATE = {} if sys.argv[-1] == "deflate" else None


class Echo(WebSocketHandler):
    """Sends each message back."""

    def get_compression_options(self):
        return DEFLATE

    async def on_message(self, message):
        await self.write_message(message, isinstance(message, bytes))


async def ask(url):
    """Have messages echoed, as text and as bytes; print whether all came back."""
    connection = await websocket_connect(url, compression_options=DEFLATE)
    right = 0
    for message in MESSAGES:
        await connection.write_message(message)
        right += await connection.read_message() == message
        await connection.write_message(message.encode(), binary=True)
        right += await connection.read_message() == message.encode()
    extensions = connection.headers.get("Sec-WebSocket-Extensions", "")
    connection.close(3000, "enough")
    end = await connection.read_message()
    print(json.dumps([right, extensions, end, connection.close_code]))


async def serve():
    """Serve until stdin ends."""
    socket, port = bind_unused_port()
    HTTPServer(Application([("/", Echo)])).add_socket(socket)
    print(port, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


urls = [argument for argument in sys.argv[1:] if argument.startswith("ws:")]
asyncio.run(ask(urls[0]) if urls else serve())
