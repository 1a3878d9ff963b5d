"""Requests over HTTP, asked for by wrk."""

import html
import http.client
import json
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

from benchmarks.load import CONNECTIONS, run_wrk, wrk_version
from benchmarks.peers import (
    FRAMEWORK_COMPARISONS,
    FRAMEWORKS,
    HTTP_COMPARISONS,
    HTTP_PEERS,
    Comparison,
    Peer,
    with_routes,
)
from benchmarks.process import ADDRESS, START_TIMEOUT, Server, ServerError
from benchmarks.report import Layout, Values
from benchmarks.scenarios.base import (
    MEBIBYTE,
    WARM_UP,
    Cores,
    Scenario,
    Sizes,
    work_columns,
    work_values,
)
from benchmarks.servers.content import FILE, PIECE, PIECES, ROWS


def web_layout(peers: Sequence[Peer], comparisons: Sequence[Comparison]) -> Layout:
    """Return the table of a scenario that counts requests."""
    return Layout(
        peers=peers,
        columns=work_columns("req"),
        figure="per_cpu_second",
        unit="requests per CPU second",
        comparisons=comparisons,
    )


SERVERS = web_layout(HTTP_PEERS, HTTP_COMPARISONS)
ROWS_OF_FRAMEWORKS = web_layout(FRAMEWORKS, FRAMEWORK_COMPARISONS)


@dataclass(frozen=True)
class Post:
    """What is sent, where it is not a GET."""

    content: bytes
    content_type: str


class Web(Scenario):
    """A path that is asked for again and again.

    Args:
        right_body: whether a body is the answer.
        content_type: of the answer, without parameters; None where it may be any.
        script: of wrk, which makes the requests if they are not all the same.
        post: what is sent; None for a GET.
    """

    def __init__(
        self,
        name: str,
        title: str,
        path: str,
        right_body: Callable[[bytes], bool],
        content_type: str | None = None,
        script: Path | None = None,
        post: Post | None = None,
        layout: Layout = ROWS_OF_FRAMEWORKS,
    ) -> None:
        self.name = name
        self.method = "POST" if post else "GET"
        self.title = f"{title} ({self.method} {path})"
        self.path = path
        self.right_body = right_body
        self.content_type = content_type
        self.script = POST if post else script
        self.post = post
        self.layout = layout

    def missing(self) -> str | None:
        return None if shutil.which("wrk") else "wrk"

    def check(self, peer: Peer, cores: Cores) -> None:
        with Server(peer, cores.server) as server:
            self.look_at(server)

    def look_at(self, server: Server) -> None:
        """Ask twice on one connection and look at the answers.

        Raises:
            ServerError: status or body is wrong, or the connection was not kept.
        """
        name = server.peer.name
        connection = http.client.HTTPConnection(ADDRESS, server.port, timeout=START_TIMEOUT)
        try:
            for _ in range(2):
                if self.post is None:
                    connection.request("GET", self.path)
                else:
                    fields = {"Content-Type": self.post.content_type}
                    connection.request("POST", self.path, self.post.content, fields)
                response = connection.getresponse()
                body = response.read()
                if response.status != 200 or not self.right_body(body):
                    raise ServerError(
                        f"{name}: {self.method} {self.path} gave {response.status} {body[:100]!r}"
                    )
                seen = response.headers.get_content_type()
                if self.content_type not in (None, seen):
                    raise ServerError(
                        f"{name}: {self.path} is of type {seen}, wanted {self.content_type}"
                    )
                if connection.sock is None:
                    raise ServerError(f"{name}: did not keep the connection alive")
        except (OSError, http.client.HTTPException) as error:
            raise ServerError(f"{name}: {self.method} {self.path}: {error!r}") from error
        finally:
            connection.close()

    def measure(self, peer: Peer, cores: Cores, sizes: Sizes) -> Values:
        with Server(peer, cores.server) as server, NamedTemporaryFile() as file:
            arguments: Sequence[str] = ()
            if self.post is not None:
                file.write(self.post.content)
                file.flush()
                arguments = (file.name, self.post.content_type)
            self.look_at(server)
            url = f"http://{ADDRESS}:{server.port}{self.path}"
            run_wrk(url, WARM_UP, cores.load, self.script, arguments=arguments)
            before = server.cpu_time()
            load = run_wrk(url, sizes.seconds, cores.load, self.script, arguments=arguments)
            return work_values(load, server.cpu_time() - before)

    def describe(self, sizes: Sizes) -> str:
        script = f" -s {self.script.name}" if self.script else ""
        return (
            f"wrk {wrk_version()} -t1 -c{CONNECTIONS}{script}, {WARM_UP} s to warm up, "
            f"then {sizes.seconds} s"
        )


def is_hello(body: bytes) -> bool:
    """Return whether `body` is the answer to `hello`."""
    return body == b"Hello, world!"


def is_json(value: object) -> Callable[[bytes], bool]:
    """Return what tells whether a body is a value; spaces in JSON are everyone's own choice."""

    def right(body: bytes) -> bool:
        try:
            seen: object = json.loads(body)
        except ValueError:
            return False
        return seen == value

    return right


def is_table(body: bytes) -> bool:
    """Return whether `body` has each row, escaped; the escapes of a quote are several."""
    cells = re.findall(r"<td>(.*?)</td>", body.decode())
    wanted = [str(cell) for row in ROWS for cell in (row["id"], row["text"])]
    return b"<b>" not in body and [html.unescape(cell) for cell in cells] == wanted


FOLDER = Path(__file__).resolve().parent.parent
VARIED = FOLDER / "varied.lua"
POST = FOLDER / "post.lua"

HELLO = {"message": "Hello, world!"}
ECHO = {"id": 7, "name": "somebody", "tags": ["a", "b", "c"], "ok": True}
UPLOAD = b"u" * MEBIBYTE
JSON = "application/json"


def routes(count: int) -> Web:
    """Return the scenario with so many routes besides the usual ones; the last is asked for."""
    return Web(
        f"routes{count}",
        f"the last of {count:,} routes with a parameter",
        f"/section{count - 1}/seven",
        lambda body: body == b"seven",
        layout=web_layout(with_routes(count), FRAMEWORK_COMPARISONS),
    )


WEB = (
    Web("hello", "13 bytes of text", "/", is_hello, layout=SERVERS),
    Web(
        "varied",
        "as `hello`, each request with another query and another value of one field",
        "/?n=000000000",
        is_hello,
        script=VARIED,
        layout=SERVERS,
    ),
    Web("json", "a small object", "/json", is_json(HELLO), JSON, layout=SERVERS),
    Web(
        "user",
        "JSON of an argument of the path and one of the query",
        "/user/123?page=2",
        is_json({"id": 123, "page": "2"}),
        JSON,
    ),
    Web(
        "echo",
        "JSON read and sent back",
        "/echo",
        is_json(ECHO),
        JSON,
        post=Post(json.dumps(ECHO).encode(), JSON),
    ),
    Web("table", "a page of 12 rows", "/table", is_table, "text/html"),
    Web("file", "a static file of 64 KiB", "/files/large.bin", lambda body: body == FILE),
    Web(
        "upload",
        "1 MiB read whole",
        "/upload",
        lambda body: body == str(len(UPLOAD)).encode(),
        post=Post(UPLOAD, "application/octet-stream"),
    ),
    Web(
        "stream",
        "64 pieces of 1 KiB",
        "/stream",
        lambda body: body == PIECE * PIECES,
        "text/plain",
    ),
    routes(10),
    routes(100),
    routes(1000),
)
