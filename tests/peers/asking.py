"""What is asked of each application, and what has to be the same."""

import http.client
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from toolkit.websocket import websocket_connect

#: Headers that belong to the server: what it is, when it was, what becomes of the connection,
#: and how content ends that tells no length.
OF_THE_SERVER = frozenset(("date", "server", "connection", "keep-alive", "transfer-encoding"))

FORM = (
    b'--B\r\nContent-Disposition: form-data; name="name"\r\n\r\ncaf\xc3\xa9\r\n'
    b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\n" + bytes(150_000) + b"\r\n--B--\r\n"
)

#: Method, target, content, headers.
Request = tuple[str, str, bytes | None, dict[str, str]]

REQUESTS: tuple[Request, ...] = (
    ("GET", "/items/7?tag=a&tag=b%20c", None, {}),
    ("GET", "/items/7", None, {}),
    ("GET", "/items/x", None, {}),
    ("HEAD", "/items/7", None, {}),
    ("POST", "/json", b'{"a": [1, "caf\xc3\xa9"]}', {"Content-Type": "application/json"}),
    ("POST", "/json", b'{"a', {"Content-Type": "application/json"}),
    ("POST", "/form", FORM, {"Content-Type": "multipart/form-data; boundary=B"}),
    ("GET", "/stream", None, {}),
    ("GET", "/cookies", None, {"Cookie": "a=1; z=2"}),
    ("GET", "/error", None, {}),
    ("GET", "/nothing", None, {}),
    ("DELETE", "/json", None, {}),
    ("GET", "/alive", None, {}),
)


@dataclass(frozen=True)
class Answer:
    """What a client sees of an answer."""

    request: str
    status: int
    fields: tuple[tuple[str, str], ...]
    body: bytes


def ask_all(port: int, requests: Sequence[Request] = REQUESTS) -> list[Answer]:
    """Return the answers to all requests, each on a connection of its own."""
    answers = []
    for method, target, content, headers in requests:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request(method, target, content, headers)
        response = connection.getresponse()
        body = response.read()
        fields = sorted((name.lower(), value) for name, value in response.getheaders())
        kept = tuple(field for field in fields if field[0] not in OF_THE_SERVER)
        if method != "HEAD" or response.status >= 400:
            # Servers may find a length out where the application has told none; it is right.
            lengths = [value for name, value in kept if name == "content-length"]
            assert method == "HEAD" or lengths in ([], [str(len(body))])
            kept = tuple(field for field in kept if field[0] != "content-length")
        answers.append(Answer(f"{method} {target}", response.status, kept, body))
        connection.close()
    return answers


async def talk(port: int) -> list[Any]:
    """Return what comes back over a WebSocket, and what it is closed with."""
    connection = await websocket_connect(f"ws://127.0.0.1:{port}/ws")
    told: list[Any] = []
    for message in ("caf\xe9", b"\x00\xff" * 40_000, "", "close"):
        await connection.write_message(message, binary=isinstance(message, bytes))
        told.append(await connection.read_message())
    return [*told, connection.close_code]


def by_request(answers: list[Answer]) -> dict[str, Answer]:
    """Return answers by what was asked."""
    return {f"{number} {answer.request}": answer for number, answer in enumerate(answers)}
