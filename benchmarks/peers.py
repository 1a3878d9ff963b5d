"""The tables of what is measured: the servers, the scenarios and the goals."""

import json
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Peer:
    """One row of the report, and how to start its server.

    Attributes:
        name: what `--only` calls it.
        label: what the report calls it.
        module: module of `benchmarks.servers` to run.
        arguments: its arguments after `--port`.
    """

    name: str
    label: str
    module: str
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scenario:
    """One path that is asked for again and again, and the rule for its body."""

    name: str
    title: str
    path: str
    right_body: Callable[[bytes], bool]


@dataclass(frozen=True)
class Goal:
    """A bound on the ratio of two peers' requests per CPU second in one scenario."""

    scenario: str
    peer: str
    against: str
    at_least: float


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


BASELINE = "tornado"
"""The peer that runs again and again within a round."""

COMPARED = (BASELINE, "uvicorn", "floor")
"""The peers that the report gives ratios to."""

PEERS = (
    Peer("floor", "floor: bare uvloop protocol, constant answer", "floor_app"),
    Peer("toolkit-uvloop", "toolkit on uvloop", "toolkit_app", ("--loop", "uvloop")),
    Peer("toolkit-asyncio", "toolkit on asyncio", "toolkit_app", ("--loop", "asyncio")),
    Peer("tornado", "Tornado on asyncio", "tornado_app"),
    Peer("aiohttp", "aiohttp on uvloop", "aiohttp_app"),
    Peer("sanic", "Sanic on uvloop", "sanic_app"),
    Peer("uvicorn", "uvicorn[standard], raw ASGI", "uvicorn_server"),
    Peer("granian", "granian, raw ASGI", "granian_server"),
)

SCENARIOS = (
    Scenario("hello", "13 bytes of text", "/", is_hello),
    Scenario("json", "a small JSON object with one route argument", "/user/123", is_user),
)

GOALS = (
    Goal("hello", "toolkit-uvloop", "tornado", 8.0),
    Goal("hello", "toolkit-uvloop", "uvicorn", 1.15),
    Goal("hello", "toolkit-uvloop", "floor", 0.42),
    Goal("hello", "toolkit-asyncio", "tornado", 6.5),
)

PACKAGES = ("toolkit", "tornado", "aiohttp", "sanic", "uvicorn", "httptools", "granian", "uvloop")
"""The distributions whose versions decide the figures."""
