"""The tables of what is compared: the servers of each kind, and the goals."""

from collections.abc import Sequence
from dataclasses import dataclass, replace


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


FRAMEWORKS = (
    Peer("toolkit-uvloop", "toolkit on uvloop", "toolkit_app", ("--loop", "uvloop")),
    Peer("tornado", "Tornado on asyncio", "tornado_app"),
    Peer("aiohttp", "aiohttp on uvloop", "aiohttp_app"),
    Peer("sanic", "Sanic on uvloop", "sanic_app"),
    Peer("starlette", "Starlette on uvicorn", "starlette_app"),
    Peer("fastapi", "FastAPI on uvicorn", "fastapi_app"),
    Peer("falcon", "Falcon on uvicorn", "falcon_app"),
    Peer("blacksheep", "BlackSheep on uvicorn", "blacksheep_app"),
    Peer("quart", "Quart on hypercorn", "quart_app"),
)
"""Frameworks, each with the server that its documentation runs it on."""


def with_routes(count: int) -> Sequence[Peer]:
    """Return the frameworks with so many routes besides the usual ones."""
    return tuple(
        replace(peer, arguments=(*peer.arguments, "--routes", str(count))) for peer in FRAMEWORKS
    )


FRAMEWORK_COMPARISONS = (
    Comparison("Tornado", "tornado"),
    Comparison("toolkit", "toolkit-uvloop"),
)

HTTP_PEERS = (
    Peer("floor", "floor: bare uvloop protocol, constant answer", "floor_app"),
    Peer("toolkit-uvloop", "toolkit on uvloop", "toolkit_app", ("--loop", "uvloop")),
    Peer("toolkit-asyncio", "toolkit on asyncio", "toolkit_app", ("--loop", "asyncio")),
    Peer("tornado", "Tornado on asyncio", "tornado_app"),
    Peer("aiohttp", "aiohttp on uvloop", "aiohttp_app"),
    Peer("sanic", "Sanic on uvloop", "sanic_app"),
    Peer("uvicorn", "uvicorn[standard], raw ASGI", "uvicorn_server"),
    Peer("granian", "granian, raw ASGI", "granian_server"),
    *FRAMEWORKS[4:],
)
HTTP_COMPARISONS = (
    Comparison("Tornado", "tornado"),
    Comparison("uvicorn", "uvicorn"),
    Comparison("floor", "floor"),
)

ENGINES = tuple(
    Peer(name, label, "template_engine")
    for name, label in (("toolkit", "toolkit"), ("tornado", "Tornado"), ("jinja2", "Jinja2"))
)
ENGINE_COMPARISONS = (Comparison("Tornado", "tornado"), Comparison("Jinja2", "jinja2"))

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

LARGE_PEERS = (
    Peer("nginx", "nginx, one process", "large_nginx"),
    *(
        Peer(f"{kind}-{loop}", f"{label} on {loop}", f"large_{kind}", ("--loop", loop), loop)
        for loop in LOOPS
        for kind, label in STREAMS[:2]
    ),
)
LARGE_COMPARISONS = (Comparison("nginx", "nginx"), Comparison("Tornado", "tornado-{loop}"))

LINE_PEERS = on_both_loops("lines")
PROXY_PEERS = on_both_loops("proxy", RELAY)
STREAM_COMPARISONS = (
    Comparison("Tornado", "tornado-{loop}"),
    Comparison("streams", "streams-{loop}"),
    Comparison("protocol", "protocol-{loop}"),
)

_ON_UVLOOP, _ON_ASYNCIO = ("--loop", "uvloop"), ("--loop", "asyncio")
CLIENT_PEERS = (
    Peer("toolkit-fetch", "toolkit's fetch() on uvloop", "toolkit_fetch", _ON_UVLOOP),
    Peer("toolkit-get", "toolkit's get() on uvloop", "toolkit_get", _ON_UVLOOP),
    Peer("toolkit-asyncio", "toolkit's fetch() on asyncio", "toolkit_fetch", _ON_ASYNCIO),
    Peer("tornado", "Tornado's simple client on asyncio", "tornado_simple", _ON_ASYNCIO),
    Peer("tornado-curl", "Tornado's curl client on asyncio", "pycurl_tornado", _ON_ASYNCIO),
    Peer("pycurl", "pycurl's multi interface alone", "pycurl_multi", _ON_ASYNCIO),
    Peer("aiohttp", "aiohttp on uvloop", "aiohttp_client", _ON_UVLOOP),
    Peer("httpx", "httpx on uvloop", "httpx_client", _ON_UVLOOP),
    Peer("niquests", "niquests on uvloop", "niquests_client", _ON_UVLOOP),
)
CRAWL_PEERS = (
    Peer("toolkit-uvloop", "toolkit on uvloop", "crawl", _ON_UVLOOP),
    Peer("toolkit-asyncio", "toolkit on asyncio", "crawl", _ON_ASYNCIO),
)
CLIENT_COMPARISONS = (
    Comparison("Tornado", "tornado"),
    Comparison("aiohttp", "aiohttp"),
    Comparison("httpx", "httpx"),
    Comparison("pycurl", "pycurl"),
)

WEBSOCKET_PEERS = (
    Peer("toolkit-uvloop", "toolkit on uvloop", "ws_toolkit", ("--loop", "uvloop")),
    Peer("toolkit-asyncio", "toolkit on asyncio", "ws_toolkit", ("--loop", "asyncio")),
    Peer("tornado", "Tornado on asyncio", "ws_tornado", ("--loop", "asyncio")),
    Peer("websockets", "websockets on uvloop", "ws_websockets", ("--loop", "uvloop")),
    Peer("aiohttp", "aiohttp on uvloop", "ws_aiohttp", ("--loop", "uvloop")),
    Peer("starlette", "Starlette on uvicorn[standard]", "ws_starlette"),
    Peer("picows", "picows on uvloop", "ws_picows", ("--loop", "uvloop")),
)
#: picows has no compression.
DEFLATE_PEERS = WEBSOCKET_PEERS[:-1]
#: Beside echoes: what no server in Python can be cheaper than.
WEBSOCKET_FLOOR = Peer(
    "protocol-uvloop", "bare protocol on uvloop", "ws_protocol", ("--loop", "uvloop")
)
WEBSOCKET_COMPARISONS = (
    Comparison("Tornado", "tornado"),
    Comparison("websockets", "websockets"),
    Comparison("aiohttp", "aiohttp"),
    Comparison("Starlette", "starlette"),
)

GOALS = (
    Goal("client-1k-32", "toolkit-fetch", "tornado", 5.0),
    Goal("client-1k-32", "toolkit-fetch", "httpx", 4.0),
    Goal("client-1k-32", "toolkit-fetch", "aiohttp", 1.0),
    Goal("client-1k-32", "toolkit-fetch", "niquests", 1.0),
    Goal("hello", "toolkit-uvloop", "tornado", 8.0),
    Goal("hello", "toolkit-uvloop", "uvicorn", 1.15),
    Goal("hello", "toolkit-uvloop", "floor", 0.42),
    Goal("hello", "toolkit-asyncio", "tornado", 6.5),
    *(Goal(row, "toolkit-uvloop", "tornado", 7.0) for row in ("json", "user", "echo")),
    *(
        goal
        for case in ("table", "inheritance", "escaping")
        for goal in (
            Goal(f"templates_{case}", "toolkit", "tornado", 1.5),
            Goal(f"templates_{case}", "toolkit", "jinja2", 1.0),
        )
    ),
    *(
        Goal("asgi", f"toolkit-{app}", f"uvicorn-{app}", at_least=1.0)
        for app in ("raw", "starlette", "fastapi")
    ),
    Goal("asgi", "toolkit-raw", "granian-raw", at_least=1.0),
    Goal("ws_64", "toolkit-uvloop", "tornado", 4.0),
    *(
        Goal(scenario, "toolkit-uvloop", peer, 1.0)
        for scenario in (
            "ws_64",
            "ws_4k",
            "ws_1m",
            "ws_64_deflate",
            "ws_4k_deflate",
            "ws_1m_deflate",
        )
        for peer in ("websockets", "aiohttp", "starlette")
    ),
    Goal("workers", "workers-2", "workers-1", at_least=1.7),
    *(
        goal
        for loop in LOOPS
        for goal in (
            Goal("lines", f"toolkit-{loop}", f"tornado-{loop}", at_least=3.0),
            Goal("lines", f"toolkit-{loop}", f"streams-{loop}", at_least=1.2),
            Goal("bursts", f"toolkit-{loop}", f"tornado-{loop}", at_least=3.0),
            Goal("bursts", f"toolkit-{loop}", f"streams-{loop}", at_least=1.2),
            Goal("bulk", f"toolkit-{loop}", f"tornado-{loop}", at_least=2.0),
            Goal("bulk", f"relay-{loop}", f"tornado-{loop}", at_least=2.0),
            Goal("bulk", f"toolkit-{loop}", f"streams-{loop}", at_least=1.0),
            Goal("large", f"toolkit-{loop}", "nginx", at_least=0.5),
            Goal("idle", f"toolkit-{loop}", f"tornado-{loop}", at_most=0.5),
        )
    ),
)

PACKAGES = (
    "toolkit",
    "tornado",
    "aiohttp",
    "sanic",
    "uvicorn",
    "httptools",
    "granian",
    "starlette",
    "fastapi",
    "falcon",
    "blacksheep",
    "quart",
    "hypercorn",
    "jinja2",
    "uvloop",
    "httpx",
    "niquests",
    "pycurl",
    "websockets",
    "picows",
)
"""The distributions whose versions decide the figures."""
