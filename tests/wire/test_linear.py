"""Work grows with the bytes that come in: calls are counted, never timed."""

import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType

import pytest

from tests.wire.feeding import answer, read
from toolkit.wire.errors import RemoteProtocolError
from toolkit.wire.events import NEED_DATA, Data, EndOfMessage, RequestHead
from toolkit.wire.http1 import CLIENT, SERVER, Limits, Machine

CHUNKED = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"


def count_calls(work: Callable[[], object]) -> int:
    """Return how many functions of Python and of C some work calls."""
    counts: Counter[str] = Counter()

    def note(_frame: FrameType, event: str, _argument: object) -> None:
        counts[event] += 1

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return counts["call"] + counts["c_call"]


def feed(raw: bytes, size: int, limits: Limits) -> Callable[[], None]:
    """Return work that feeds a server pieces of one size and reads all events."""
    pieces = [raw[at : at + size] for at in range(0, len(raw), size)]
    machine = Machine(SERVER, limits)

    def work() -> None:
        for piece in pieces:
            machine.receive(piece)
            while isinstance(machine.next_event(), RequestHead | Data):
                pass

    return work


WIDE = Limits(head=1 << 20, fields=100_000, line=1 << 20)

HEADS: dict[str, Callable[[int], bytes]] = {
    "one long value": lambda size: b"X: " + b"y" * size + b"\r\n",
    "many short fields": lambda size: b"X: y\r\n" * (size // 6),
    "a target": lambda size: b"",
}


@pytest.mark.parametrize("kind", HEADS)
def test_a_head_that_comes_byte_by_byte_costs_the_same_for_each_byte(kind: str) -> None:
    """64 KiB take four times the calls of 16 KiB, and few for each byte."""
    calls = []
    for size in (16 * 1024, 64 * 1024):
        target = b"/" + b"a" * (size // 4 if kind == "a target" else 0)
        raw = b"GET " + target + b" HTTP/1.1\r\nHost: h\r\n" + HEADS[kind](size) + b"\r\n"
        calls.append(count_calls(feed(raw, 1, WIDE)) / len(raw))
    assert calls[1] < calls[0] * 1.1
    assert calls[1] < 40


def test_a_head_of_many_fields_costs_the_same_for_each_field() -> None:
    """60 kB of them are read within the limits in a few calls for each, however they come."""
    calls = {}
    for count in (1_000, 10_000):
        raw = b"GET / HTTP/1.1\r\nHost: h\r\n" + b"X: y\r\n" * count + b"\r\n"
        for size in (len(raw), 1000):
            calls[count, size == 1000] = count_calls(feed(raw, size, WIDE)) / count
    for cut in (False, True):
        assert calls[10_000, cut] < calls[1_000, cut] * 1.1
        assert calls[10_000, cut] < 40


def test_fields_of_one_name_are_kept_apart() -> None:
    """10 000 of them are 10 000 values, not one that grows."""
    raw = b"GET / HTTP/1.1\r\nHost: h\r\n" + b"X: y\r\n" * 10_000 + b"\r\n"
    head = read(Machine(SERVER, WIDE), raw)[0]
    assert isinstance(head, RequestHead)
    assert list(head.fields) == [("host", "h"), *[("x", "y")] * 10_000]


def test_folding_is_refused_at_its_first_line() -> None:
    """64 kB of it take no more calls than 64 bytes."""
    calls = []
    for count in (10, 13_000):
        machine = Machine(SERVER)
        machine.receive(b"GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n" + b" b\r\n" * count + b"\r\n")

        def work(machine: Machine = machine) -> None:
            with pytest.raises(RemoteProtocolError):
                machine.next_event()

        calls.append(count_calls(work))
    assert calls[1] <= calls[0]


def test_chunks_of_one_byte_that_come_together_are_one_event() -> None:
    """2 MiB of them in one receive are not a third of a million events."""
    size = 2 * 1024 * 1024 // len(b"1\r\nx\r\n")
    machine = Machine(SERVER)
    machine.receive(CHUNKED + b"1\r\nx\r\n" * size + b"0\r\n\r\n")
    assert isinstance(machine.next_event(), RequestHead)
    data = machine.next_event()
    assert isinstance(data, Data)
    assert data.data == b"x" * size
    assert isinstance(machine.next_event(), EndOfMessage)


def test_chunks_cost_the_same_for_each_chunk() -> None:
    """Whether a thousand come together, or ten thousand, or one after the other."""
    calls = []
    for count, size in ((1_000, 1 << 20), (10_000, 1 << 20), (1_000, 6), (1_000, 1)):
        raw = CHUNKED + b"1\r\nx\r\n" * count + b"0\r\n\r\n"
        calls.append(count_calls(feed(raw, size, Limits())) / count)
    assert calls[1] < calls[0] * 1.1
    assert max(calls) < 200


def test_a_chunk_that_comes_in_pieces_is_passed_on_in_pieces() -> None:
    """Nothing of it is kept, so that memory does not grow with its size."""
    machine = Machine(SERVER)
    read(machine, CHUNKED + b"100000\r\n")
    for _ in range(256):
        (data,) = read(machine, b"x" * 4096)
        assert isinstance(data, Data)
        assert len(data.data) == 4096
        assert machine.unread == 0
    assert machine.next_event() is NEED_DATA


def test_a_body_is_passed_on_without_a_copy() -> None:
    """A piece that holds nothing else is the very object that came in."""
    machine = Machine(SERVER)
    read(machine, b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n")
    piece = b"x" * 65536
    (data,) = read(machine, piece)
    assert isinstance(data, Data)
    assert data.data is piece


def test_a_large_length_allocates_nothing() -> None:
    """What a peer announces is not made room for, but what it sends."""
    machine = Machine(CLIENT)
    machine.send_head(RequestHead("GET", "/", [("Host", "h")]), end=True)
    machine.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999999999\r\n\r\nx")
    assert len(read(machine)) == 2
    machine.receive(b"")
    with pytest.raises(RemoteProtocolError):
        machine.next_event()


def test_pipelined_requests_cost_the_same_for_each_request() -> None:
    """A thousand in one receive are not copied a thousand times over in calls."""
    calls = []
    for count in (100, 1_000):
        machine = Machine(SERVER)
        machine.receive(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" * count)

        def work(machine: Machine = machine, count: int = count) -> None:
            for _ in range(count):
                machine.next_event()
                machine.next_event()
                answer(machine)

        calls.append(count_calls(work) / count)
        assert machine.idle
    assert calls[1] < calls[0] * 1.1
