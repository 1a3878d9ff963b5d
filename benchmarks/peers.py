"""The tables of what is compared: the servers of each kind, and the goals."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Peer:
    """One row of a report, and how to start its server.

    Attributes:
        name: what `--only` calls it.
        label: what the report calls it.
        module: module of `benchmarks.servers` to run.
        arguments: its arguments after `--port`.
        loop: the loop that it runs on, where only servers on the same loop are compared.
    """

    name: str
    label: str
    module: str
    arguments: tuple[str, ...] = ()
    loop: str = ""


@dataclass(frozen=True)
class Comparison:
    """A column of ratios.

    Attributes:
        heading: what the report calls the other server.
        name: the other server's name; `{loop}` in it stands for the loop of the row.
    """

    heading: str
    name: str

    def against(self, peer: Peer) -> str:
        """Return the name of the server that `peer` is compared with."""
        return self.name.format(loop=peer.loop)


@dataclass(frozen=True)
class Goal:
    """A bound on the ratio of two servers' figures in one scenario."""

    scenario: str
    peer: str
    against: str
    at_least: float | None = None
    at_most: float | None = None

    @property
    def bound(self) -> str:
        """Return the bound in words."""
        if self.at_least is not None:
            return f"at least {self.at_least:g}"
        return f"at most {self.at_most:g}"

    def reached(self, ratio: float) -> bool:
        """Return whether a ratio is within the bound."""
        if self.at_least is not None:
            return ratio >= self.at_least
        return self.at_most is not None and ratio <= self.at_most


HTTP_PEERS = (
    Peer("floor", "floor: bare uvloop protocol, constant answer", "floor_app"),
    Peer("toolkit-uvloop", "toolkit on uvloop", "toolkit_app", ("--loop", "uvloop")),
    Peer("toolkit-asyncio", "toolkit on asyncio", "toolkit_app", ("--loop", "asyncio")),
    Peer("tornado", "Tornado on asyncio", "tornado_app"),
    Peer("aiohttp", "aiohttp on uvloop", "aiohttp_app"),
    Peer("sanic", "Sanic on uvloop", "sanic_app"),
    Peer("uvicorn", "uvicorn[standard], raw ASGI", "uvicorn_server"),
    Peer("granian", "granian, raw ASGI", "granian_server"),
)
HTTP_COMPARISONS = (
    Comparison("Tornado", "tornado"),
    Comparison("uvicorn", "uvicorn"),
    Comparison("floor", "floor"),
)

LOOPS = ("uvloop", "asyncio")
STREAMS = (
    ("toolkit", "toolkit"),
    ("tornado", "Tornado"),
    ("streams", "asyncio streams"),
    ("protocol", "bare protocol"),
)
"""The kinds of streams: name, and what the report calls it."""


RELAY = ("relay", "toolkit's relay")
"""A proxy that leaves reading and writing to `toolkit.iostream.relay`."""


def on_both_loops(module: str, *more: tuple[str, str]) -> Sequence[Peer]:
    """Return each kind of stream on each loop, served by `benchmarks.servers.{module}_{kind}`."""
    return tuple(
        Peer(f"{kind}-{loop}", f"{label} on {loop}", f"{module}_{kind}", ("--loop", loop), loop)
        for loop in LOOPS
        for kind, label in (*STREAMS, *more)
    )


SITE_PEERS = tuple(
    Peer(f"{kind}-{loop}", f"{label} on {loop}", f"site_{kind}", ("--loop", loop), loop)
    for loop in LOOPS
    for kind, label in STREAMS[:2]
)
SITE_COMPARISONS = (Comparison("Tornado", "tornado-{loop}"),)

LINE_PEERS = on_both_loops("lines")
PROXY_PEERS = on_both_loops("proxy", RELAY)
STREAM_COMPARISONS = (
    Comparison("Tornado", "tornado-{loop}"),
    Comparison("streams", "streams-{loop}"),
    Comparison("protocol", "protocol-{loop}"),
)

GOALS = (
    Goal("hello", "toolkit-uvloop", "tornado", 8.0),
    Goal("hello", "toolkit-uvloop", "uvicorn", 1.15),
    Goal("hello", "toolkit-uvloop", "floor", 0.42),
    Goal("hello", "toolkit-asyncio", "tornado", 6.5),
    *(
        Goal("asgi", f"toolkit-{app}", f"uvicorn-{app}", at_least=1.0)
        for app in ("raw", "starlette", "fastapi")
    ),
    Goal("asgi", "toolkit-raw", "granian-raw", at_least=1.0),
    Goal("workers", "workers-2", "workers-1", at_least=1.7),
    *(
        goal
        for loop in LOOPS
        for goal in (
            Goal("lines", f"toolkit-{loop}", f"tornado-{loop}", at_least=3.0),
            Goal("lines", f"toolkit-{loop}", f"streams-{loop}", at_least=1.2),
            Goal("bulk", f"toolkit-{loop}", f"tornado-{loop}", at_least=2.0),
            Goal("bulk", f"relay-{loop}", f"tornado-{loop}", at_least=2.0),
            Goal("bulk", f"toolkit-{loop}", f"streams-{loop}", at_least=1.0),
            Goal("idle", f"toolkit-{loop}", f"tornado-{loop}", at_most=0.5),
        )
    ),
)

PACKAGES = (
    *("toolkit", "tornado", "aiohttp", "sanic", "uvicorn", "httptools", "granian", "hypercorn"),
    *("starlette", "fastapi", "uvloop"),
)
"""The distributions whose versions decide the figures."""
