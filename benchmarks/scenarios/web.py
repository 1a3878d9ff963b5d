"""Requests over HTTP, asked for by wrk."""

import http.client
import json
import shutil
from collections.abc import Callable
from pathlib import Path

from benchmarks.load import CONNECTIONS, run_wrk, wrk_version
from benchmarks.peers import HTTP_COMPARISONS, HTTP_PEERS, Peer
from benchmarks.process import ADDRESS, START_TIMEOUT, Server, ServerError
from benchmarks.report import Layout, Values
from benchmarks.scenarios.base import WARM_UP, Cores, Scenario, Sizes, work_columns, work_values


class Web(Scenario):
    """A path that is asked for again and again.

    Args:
        right_body: whether a body is the answer.
        script: of wrk, which makes the requests if they are not all the same.
    """

    layout = Layout(
        peers=HTTP_PEERS,
        columns=work_columns("req"),
        figure="per_cpu_second",
        unit="requests per CPU second",
        comparisons=HTTP_COMPARISONS,
    )

    def __init__(
        self,
        name: str,
        title: str,
        path: str,
        right_body: Callable[[bytes], bool],
        script: Path | None = None,
    ) -> None:
        self.name = name
        self.title = f"{title} (GET {path})"
        self.path = path
        self.right_body = right_body
        self.script = script

    def missing(self) -> str | None:
        return None if shutil.which("wrk") else "wrk"

    def check(self, peer: Peer, cores: Cores) -> None:
        with Server(peer, cores.server) as server:
            self._check(server)

    def _check(self, server: Server) -> None:
        """Ask twice on one connection and look at the answers.

        Raises:
            ServerError: status or body is wrong, or the connection was not kept.
        """
        name = server.peer.name
        connection = http.client.HTTPConnection(ADDRESS, server.port, timeout=START_TIMEOUT)
        try:
            for _ in range(2):
                connection.request("GET", self.path)
                response = connection.getresponse()
                body = response.read()
                if response.status != 200 or not self.right_body(body):
                    raise ServerError(
                        f"{name}: GET {self.path} gave {response.status} {body[:100]!r}"
                    )
                if connection.sock is None:
                    raise ServerError(f"{name}: did not keep the connection alive")
        except (OSError, http.client.HTTPException) as error:
            raise ServerError(f"{name}: GET {self.path}: {error!r}") from error
        finally:
            connection.close()

    def measure(self, peer: Peer, cores: Cores, sizes: Sizes) -> Values:
        with Server(peer, cores.server) as server:
            self._check(server)
            url = f"http://{ADDRESS}:{server.port}{self.path}"
            run_wrk(url, WARM_UP, cores.load, self.script)
            before = server.cpu_time()
            load = run_wrk(url, sizes.seconds, cores.load, self.script)
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


def is_user(body: bytes) -> bool:
    """Return whether `body` is the answer to `json`; spaces in JSON are everyone's own choice."""
    try:
        value: object = json.loads(body)
    except ValueError:
        return False
    return value == {"id": 123, "name": "user 123"}


VARIED = Path(__file__).resolve().parent.parent / "varied.lua"

WEB = (
    Web("hello", "13 bytes of text", "/", is_hello),
    Web(
        "varied",
        "as `hello`, each request with another query and another value of one field",
        "/?n=000000000",
        is_hello,
        VARIED,
    ),
    Web("json", "a small JSON object with one route argument", "/user/123", is_user),
)
