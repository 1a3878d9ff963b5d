"""Who may lean on whom: the order of the house as a table."""

import ast

import pytest

from tests.house.modules import MODULES, imports

#: Floors from the ground up, the rooms of each from left to right. A room imports from lower
#: floors, from the left on its own, and from itself.
FLOORS = [
    ["wire"],
    ["_version", "util", "escape", "log", "options", "locale", "template", "httputil"],
    ["concurrent", "ioloop", "gen", "locks", "queues", "files"],
    [
        "netutil",
        "iostream",
        "process",
        "tcpclient",
        "datagram",
        "tcpserver",
        "autoreload",
        "platform",
    ],
    [
        "http1connection",
        "http2connection",
        "httpserver",
        "httpclient",
        "simple_httpclient",
        "curl_httpclient",
        "wsgi",
    ],
    ["routing", "web", "websocket", "asgi", "auth", "openapi"],
    ["testing", "runner", "cli", "compat", "__main__"],
]

#: What the rooms of a floor may not import from outside of the package.
FORBIDDEN = [
    {"asyncio", "socket", "ssl", "time", "random", "secrets", "logging", "os", "threading"},
    {"asyncio", "socket", "ssl"},
    {"socket", "ssl"},
    set(),
    {"socket", "ssl"},
    {"socket", "ssl"},
    set(),
]

#: Exceptions, each with its reason.
ALLOWED = {
    ("web", "socket"): "the type of an argument of Application.listen",
}

#: Look-ups against the order, each with its reason: imports within a function, room by room.
LOOK_UPS = {
    ("log", "options"): "the program's options, whose logging options are defined in log",
}

PLACES = {
    room: (floor, place) for floor, rooms in enumerate(FLOORS) for place, room in enumerate(rooms)
}


def room_of(module: str) -> str:
    """Return the room that a module of the package belongs to; "" for the package itself."""
    return module.partition(".")[2].partition(".")[0]


def faults(module: str, imported: list[str]) -> list[str]:
    """Return what a module imports against the order."""
    room = room_of(module)
    floor, _ = PLACES[room]
    found = []
    for name in imported:
        top = name.partition(".")[0]
        if name.startswith("."):
            found.append(f"{name}: imports are absolute")
        elif top in FORBIDDEN[floor] and (room, top) not in ALLOWED:
            found.append(f"{name}: not on floor {floor}")
        elif top == "toolkit" and room_of(name) not in ("", room):
            other = room_of(name)
            if other not in PLACES:
                found.append(f"{name}: has no place in the house")
            elif PLACES[other] >= PLACES[room] and (room, other) not in LOOK_UPS:
                found.append(f"{name}: lies above or to the right")
    return found


ROOMS = [name for name in MODULES if name != "toolkit"]


@pytest.mark.parametrize("module", ROOMS)
def test_a_module_imports_only_from_below(module: str) -> None:
    """No import looks upstairs, be it inside a function or for a type checker alone."""
    assert room_of(module) in PLACES, f"{module} has no place in the house"
    tree = ast.parse(MODULES[module].read_text())
    assert faults(module, list(imports(tree))) == []


def test_the_package_itself_leans_on_its_version_alone() -> None:
    """``import toolkit`` costs nothing."""
    tree = ast.parse(MODULES["toolkit"].read_text())
    inside = {room_of(name) for name in imports(tree) if name.startswith("toolkit.")}
    assert inside == {"_version"}


@pytest.mark.parametrize(
    ("module", "imported", "expected"),
    [
        ("toolkit.wire.http1", "asyncio", 1),
        ("toolkit.wire.http1", "toolkit.wire.events", 0),
        ("toolkit.escape", "toolkit.log", 1),
        ("toolkit.log", "toolkit.escape", 0),
        ("toolkit.httputil", "toolkit.web", 1),
        ("toolkit.web.handler", "toolkit.web.errors", 0),
        ("toolkit.web.handler", ".errors", 1),
        ("toolkit.web.handler", "toolkit.helpers", 1),
    ],
)
def test_the_table_refuses(module: str, imported: str, expected: int) -> None:
    """The check finds what it is there for."""
    assert len(faults(module, [imported])) == expected
