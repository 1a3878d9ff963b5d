"""The site that the battery asks: one handler for each thing that a server has to get right."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.http.client import turns
from toolkit.iostream import StreamClosedError
from toolkit.routing import RuleLike
from toolkit.web import HTTPError, RequestHandler, StaticFileHandler, stream_request_body
from toolkit.wire.events import ResponseHead

#: What the static handler serves as ``/static/file.txt``, changed at `MODIFIED`.
CONTENT = bytes(range(48, 98)) * 2
MODIFIED = 1_700_000_000  # Tue, 14 Nov 2023 22:13:20 GMT
MODIFIED_DATE = "Tue, 14 Nov 2023 22:13:20 GMT"
BEFORE_DATE = "Tue, 14 Nov 2023 22:13:19 GMT"
AFTER_DATE = "Tue, 14 Nov 2023 22:13:21 GMT"

BIG = b"0123456789abcdef" * 65_536  # 1 MiB


class Noted(RequestHandler):
    """Notes what it was asked for, once it is."""

    def note(self) -> None:
        self.settings["asked"].append(self.request.uri)

    def prepare(self) -> Any:
        self.note()


class Get(Noted):
    """Takes GET, and so HEAD and OPTIONS."""

    def get(self) -> None:
        self.write("get")


class Every(Noted):
    """Gives its content back to every method that there is."""

    def get(self) -> None:
        self.set_header("X-Method", self.request.method)
        self.set_header("Content-Type", "application/octet-stream")
        self.write(self.request.body)

    post = put = patch = delete = options = get


class Seen(Noted):
    """Tells the path that it was asked for, its query and its content."""

    def get(self) -> None:
        request = self.request
        self.set_header("Content-Type", "text/plain")
        self.write(f"{request.path} {request.query} ".encode() + request.body)

    post = get


class Host(Noted):
    """Answers with the host that it was asked for."""

    def get(self) -> None:
        self.set_header("Content-Type", "text/plain")
        self.write(self.request.host)


class Value(Noted):
    """Answers with the values of the field X."""

    def get(self) -> None:
        self.set_header("Content-Type", "application/json")
        self.write(json.dumps(self.request.headers.get_list("X")))

    post = get


class Trailer(Noted):
    """Answers with the trailers of its content."""

    def post(self) -> None:
        trailers = getattr(self.request.connection, "trailers", "no trailers at all")
        self.set_header("Content-Type", "application/json")
        self.write(json.dumps(list(trailers)))


@stream_request_body
class Unread(Noted):
    """Answers before it has read anything, and never reads."""

    def prepare(self) -> None:
        self.note()
        self.finish("unread")


@stream_request_body
class Refusing(Noted):
    """Refuses before it has read anything."""

    def prepare(self) -> None:
        self.note()
        raise HTTPError(403)


@stream_request_body
class Counting(Noted):
    """Counts content as it comes."""

    def prepare(self) -> None:
        self.note()
        self.size = 0

    def data_received(self, chunk: bytes) -> None:
        self.size += len(chunk)

    def post(self) -> None:
        self.write(str(self.size))


class Slow(Noted):
    """Answers after some turns of the loop."""

    async def get(self) -> None:
        await turns(20)
        self.write("slow")


class Status(Noted):
    """Answers with a status, and with content where it may."""

    def get(self, status: str) -> None:
        self.set_status(int(status))
        if int(status) not in (204, 205, 304):
            self.write("status")

    post = get


class Wrong(Noted):
    """Writes content that its status does not allow."""

    def get(self, status: str) -> None:
        self.set_status(int(status))
        self.write("wrong")


class Parts(Noted):
    """Writes its content in parts."""

    async def get(self) -> None:
        for part in ("one", "two", "three"):
            self.write(part)
            await self.flush()


class Big(Noted):
    """Writes a large content at once."""

    def get(self) -> None:
        self.write(BIG)


class Failing(Noted):
    """Fails before an answer has begun."""

    def get(self) -> None:
        raise ZeroDivisionError

    post = get


class Breaking(Noted):
    """Fails in the middle of an answer."""

    async def get(self) -> None:
        self.write("begun")
        await self.flush()
        raise ZeroDivisionError


class Short(Noted):
    """Writes less than it says."""

    async def get(self) -> None:
        self.set_header("Content-Length", "10")
        self.write("short")
        await self.flush()


class Long(Noted):
    """Writes more than it says."""

    async def get(self) -> None:
        self.set_header("Content-Length", "2")
        self.write("long")
        await self.flush()


class Injecting(Noted):
    """Puts what it is asked to into the head of its answer."""

    def get(self, place: str) -> None:
        # As it came: `get_argument` would take control characters out.
        value = self.request.query_arguments["v"][0].decode("utf-8")
        if place == "value":
            self.set_header("X", value)
        elif place == "name":
            self.set_header(value, "x")
        elif place == "reason":
            self.set_status(200, value)
        elif place == "cookie":
            self.add_header("Set-Cookie", value)
        elif place == "error":
            raise HTTPError(400, reason=value)
        else:
            self.redirect(value)
            return
        self.write("injected")


class Switching(Noted):
    """Changes to a protocol that sends all back until its first line end."""

    async def get(self) -> None:
        if self.request.headers.get("Upgrade") != "echo":
            raise HTTPError(400)
        head = ResponseHead(101, [("Upgrade", "echo")])
        stream = self.request.connection.upgrade(head)
        self._finished = True
        try:
            while (data := await stream.read_bytes(100, partial=True)) != b"\n":
                await stream.write(data)
        except StreamClosedError:
            pass
        stream.close()


#: Methods of the handler class, which no request may call.
ATTRIBUTES = ("FINISH", "WRITE", "FLUSH", "CLEAR", "PREPARE", "DETACH", "__INIT__", "INITIALIZE")


def rules(directory: Path) -> list[RuleLike]:
    """Return the routes of the site.

    Args:
        directory: for files.
    """
    file = directory / "file.txt"
    file.write_bytes(CONTENT)
    os.utime(file, (MODIFIED, MODIFIED))
    (directory / "empty.txt").write_bytes(b"")
    os.utime(directory / "empty.txt", (MODIFIED, MODIFIED))
    return [
        ("/", Get),
        ("/get", Get),
        ("/probe", Get),
        ("/canary", Get),
        ("/every", Every),
        ("/seen", Seen),
        ("/seen/.*", Seen),
        ("//.*", Seen),
        ("/host", Host),
        ("/value", Value),
        ("/trailer", Trailer),
        ("/unread", Unread),
        ("/refusing", Refusing),
        ("/counting", Counting),
        ("/slow", Slow),
        ("/status/([0-9]+)", Status),
        ("/wrong/([0-9]+)", Wrong),
        ("/parts", Parts),
        ("/big", Big),
        ("/failing", Failing),
        ("/breaking", Breaking),
        ("/short", Short),
        ("/long", Long),
        ("/inject/([a-z]+)", Injecting),
        ("/switching", Switching),
        ("/static/(.*)", StaticFileHandler, {"path": str(directory)}),
    ]


def settings(asked: list[str], log: Callable[[Any], None] | None = None) -> dict[str, Any]:
    """Return the settings of the site's application.

    Args:
        asked: takes the targets that reached a handler.
    """
    return {"asked": asked, "log_function": log or (lambda handler: None)}
