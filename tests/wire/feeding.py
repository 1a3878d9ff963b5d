"""Feed bytes to a machine in every way of cutting them, and write down what it says."""

import random
from collections.abc import Iterable, Iterator, Sequence

from toolkit.wire.errors import RemoteProtocolError
from toolkit.wire.events import (
    CLOSED,
    NEED_DATA,
    PAUSED,
    Data,
    EndOfMessage,
    Event,
    Fields,
    RequestHead,
    ResponseHead,
    Signal,
)
from toolkit.wire.http1 import CLIENT, DEFAULT_LIMITS, SERVER, Limits, Machine

#: Longest input that is cut at every place; longer ones are cut at a choice of places.
_EVERY_CUT = 600

#: One event as a value that compares: its kind first, then all that it carries.
Said = tuple[object, ...]


def cut_places(raw: bytes) -> Sequence[int]:
    """Return where to cut an input in two: everywhere, or around line ends and by chance."""
    if len(raw) <= _EVERY_CUT:
        return range(1, len(raw))
    ends = [at for at in range(len(raw)) if raw[at] == 0x0A]
    around = {end + step for end in ends[:6] + ends[-6:] for step in (-2, -1, 0, 1, 2)}
    chosen = random.Random(len(raw)).sample(range(1, len(raw)), 12)
    return sorted(place for place in {1, len(raw) - 1, *around, *chosen} if 0 < place < len(raw))


def cuttings(raw: bytes) -> Iterator[Iterable[bytes]]:
    """Make every way of cutting an input that the tests look at, the whole first."""
    yield [raw]
    yield (raw[at : at + 1] for at in range(len(raw)))
    for place in cut_places(raw):
        yield [raw[:place], raw[place:]]


def describe(event: Event | Signal) -> Said:
    """Return an event as a value that compares."""
    if isinstance(event, RequestHead):
        return (
            "request",
            event.method,
            event.target,
            event.version,
            tuple(event.fields),
            event.host,
            event.length,
            event.keep_alive,
            event.expect_continue,
            event.upgrade,
        )
    if isinstance(event, ResponseHead):
        return (
            "response",
            event.status,
            event.reason,
            event.version,
            tuple(event.fields),
            event.length,
            event.keep_alive,
        )
    if isinstance(event, Data):
        return ("data", event.data)
    if isinstance(event, EndOfMessage):
        return ("end", tuple(event.trailers))
    return (event,)


def join_data(said: Iterable[Said]) -> list[Said]:
    """Join pieces of data that follow each other, since where they are cut means nothing."""
    joined: list[Said] = []
    for one in said:
        if one[0] == "data" and joined and joined[-1][0] == "data":
            joined[-1] = ("data", bytes(joined[-1][1]) + bytes(one[1]))  # type: ignore[call-overload]
        else:
            joined.append(one)
    return joined


def events(machine: Machine) -> Iterator[Event]:
    """Give the events that are there, until the machine has none."""
    while not isinstance(event := machine.next_event(), Signal):
        yield event


def feed(machine: Machine, piece: bytes) -> None:
    """Feed a piece; when nothing is said to come of it, nothing may, not even an error."""
    if machine.receive(piece):
        return
    try:
        event = machine.next_event()
    except RemoteProtocolError as error:
        raise AssertionError(f"no news in {piece!r}, but an error") from error
    assert event is NEED_DATA


def read(machine: Machine, raw: bytes = b"") -> list[Event]:
    """Feed some bytes and return the events that come of them."""
    if raw:
        machine.receive(raw)
    return list(events(machine))


def answer(machine: Machine) -> bytes:
    """Answer a request with an empty 200."""
    return machine.send_head(ResponseHead(200), end=True)


def serve(
    machine: Machine, pieces: Iterable[bytes]
) -> tuple[list[Said], RemoteProtocolError | None]:
    """Feed a server all pieces and answer each request at once.

    Returns:
        What was read, and the error that ended it, if there was one.
    """
    said: list[Said] = []
    try:
        for piece in pieces:
            feed(machine, piece)
            while (event := machine.next_event()) is not NEED_DATA:
                if event is CLOSED:
                    return join_data(said), None
                if event is PAUSED:
                    answer(machine)
                else:
                    said.append(describe(event))
                    if isinstance(event, EndOfMessage) and not machine.response_started:
                        answer(machine)
    except RemoteProtocolError as error:
        return join_data(said), error
    return join_data(said), None


GET = RequestHead("GET", "/", [("Host", "h")])
GET_BYTES = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


def server_after(raw: bytes = GET_BYTES, limits: Limits = DEFAULT_LIMITS) -> Machine:
    """Return a server that has read all events of some bytes."""
    machine = Machine(SERVER, limits)
    read(machine, raw)
    return machine


def client_after(
    method: str = "GET", fields: Fields = (), limits: Limits = DEFAULT_LIMITS
) -> Machine:
    """Return a client that has sent a whole request without content."""
    machine = Machine(CLIENT, limits)
    target = {"CONNECT": "h:443", "OPTIONS": "*"}.get(method, "/")
    machine.send_head(RequestHead(method, target, [("Host", "h"), *fields]), end=True)
    return machine


def receive_response(
    machine: Machine, pieces: Iterable[bytes]
) -> tuple[list[Said], RemoteProtocolError | None]:
    """Feed a client all pieces.

    Returns:
        What was read, and the error that ended it, if there was one.
    """
    said: list[Said] = []
    try:
        for piece in pieces:
            feed(machine, piece)
            said += map(describe, events(machine))
    except RemoteProtocolError as error:
        return join_data(said), error
    return join_data(said), None
