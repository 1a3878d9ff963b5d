"""What machines keep of what they have read: it changes nothing, is bounded and holds no secret."""

import sys
from collections.abc import Iterator

import pytest

from tests.wire.feeding import Said, read, serve
from tests.wire.hostile import HOSTILE
from tests.wire.unusual import UNUSUAL
from toolkit.wire.http1 import SERVER, Limits, Machine
from toolkit.wire.http1.memory import LONGEST, MOST, Memory


def memories() -> list[Memory[object, object]]:
    """Return all memories of the process, wherever they are."""
    modules = [module for name, module in sys.modules.items() if name.startswith("toolkit.wire")]
    values = [value for module in modules for value in vars(module).values()]
    return [value for value in values if isinstance(value, Memory)]


def forget() -> None:
    """Empty all memories."""
    for memory in memories():
        memory.clear()


@pytest.fixture(autouse=True)
def _forgetful() -> Iterator[None]:
    forget()
    yield
    forget()


def kept() -> str:
    """Return all that is kept, as text."""
    return repr([dict(memory) for memory in memories()])


def request(*lines: str) -> bytes:
    """Write a request."""
    return "\r\n".join(["POST / HTTP/1.1", "Host: h", *lines, "", ""]).encode("latin-1")


def verdict(raw: bytes, limits: Limits) -> tuple[list[Said], object]:
    """Return what a fresh machine reads, and the error at its end."""
    said, error = serve(Machine(SERVER, limits), [raw])
    return said, error and (str(error), error.status)


def test_what_was_read_before_changes_no_verdict() -> None:
    """Each entry of both tables is read alike by a process that knows nothing and one that does."""
    entries = [(entry.raw, entry.limits) for entry in UNUSUAL]
    entries += [(entry.raw, entry.limits) for entry in HOSTILE]
    fresh = []
    for entry in entries:
        forget()
        fresh.append(verdict(*entry))
    for _ in range(2):
        assert [verdict(*entry) for entry in entries] == fresh


FRAMINGS = [
    [],
    ["Content-Length: 0"],
    ["Content-Length: 5"],
    ["Content-Length: 5", "Content-Length: 5"],
    ["Content-Length: x"],
    ["Transfer-Encoding: chunked"],
    ["Transfer-Encoding: chunked", "Content-Length: 5"],
    ["Content-Length: 5", "Transfer-Encoding: chunked"],
    ["Transfer-Encoding: gzip", "Content-Length: 5"],
    ["Expect: 100-continue"],
    ["Expect: 100-continue", "Content-Length: 0"],
    ["Expect: 100-continue", "Content-Length: 5"],
    ["Expect: 100-continue", "Transfer-Encoding: chunked"],
    ["Expect: x", "Content-Length: 5"],
    ["Connection: close", "Content-Length: 5"],
    ["Connection: close"],
    ["Connection: Upgrade", "Upgrade: x", "Content-Length: 5"],
    ["Upgrade: x", "Content-Length: 5"],
    ["Host: h", "Content-Length: 5"],
]


@pytest.mark.parametrize("first", FRAMINGS, ids=", ".join)
def test_what_fields_mean_does_not_depend_on_those_before(first: list[str]) -> None:
    """Neither the length nor anything else is taken over from a request with other fields."""
    for second in FRAMINGS:
        for version in (b"HTTP/1.1", b"HTTP/1.0"):
            raw = request(*second).replace(b"HTTP/1.1", version) + b"hello"
            forget()
            fresh = verdict(raw, Limits())
            forget()
            verdict(request(*first) + b"hello", Limits())
            assert verdict(raw, Limits()) == fresh


@pytest.mark.parametrize(
    "line", ["Accept: {}", "User-Agent: {}", "X-{}: y", "Connection: x{}", "X-Scheme: {}"]
)
def test_a_flood_of_lines_is_not_kept(line: str) -> None:
    """CVE-2022-41717: what peers make a process keep is bounded in number, and not used up."""
    for number in range(3 * MOST):
        verdict(request(line.format(number)), Limits())
    assert len(memories()) >= 4
    assert all(0 <= len(memory) <= MOST for memory in memories())
    assert str(3 * MOST - 1) in kept()


def test_a_long_line_is_not_kept() -> None:
    """Neither its value nor its name, nor what it means, however it is cut into fields."""
    mark = "mark"
    long = mark + "y" * LONGEST
    for line in (f"Accept: {long}", f"{long}: y", f"Connection: {long}"):
        assert verdict(request(line), Limits())[1] is None
    assert verdict(request(*[f"Connection: {mark}{'y' * 200}"] * 3), Limits())[1] is None
    assert verdict(request().replace(b"Host: h", f"Host: {long}".encode()), Limits())[1] is None
    found = [memory for memory in memories() if any(len(repr(key)) > 2 * LONGEST for key in memory)]
    assert not found
    assert long not in kept()


@pytest.mark.parametrize(
    "name",
    [
        "Cookie",
        "Authorization",
        "Proxy-Authorization",
        "Referer",
        "Origin",
        "X-Forwarded-For",
        "X-Real-IP",
        "X-XSRFToken",
        "X-Request-ID",
        "Sec-WebSocket-Key",
        "If-None-Match",
        "X-Api-Key",
        "Content-Length",
    ],
)
def test_what_tells_a_client_from_others_is_not_kept(name: str) -> None:
    """A value of one connection can neither be found nor guessed at by another."""
    raw = request(f"{name}: 123454321", "Accept: text/plain")
    machine = Machine(SERVER)
    read(machine, raw)
    assert "text/plain" in kept()
    assert "123454321" not in kept()


def test_fields_that_come_again_are_the_same_objects() -> None:
    """A thousand connections with one browser each hold its name once."""
    raw = request("User-Agent: some browser", "Accept: */*", "Connection: keep-alive")
    first, second = (list(read(Machine(SERVER), raw)[0].fields) for _ in range(2))  # type: ignore[union-attr]
    assert all(one is other for one, other in zip(first, second, strict=True))
