"""Frames made without the machine's help, and what it makes of them however they are cut."""

from collections.abc import Iterable, Iterator

from toolkit.wire.websocket import (
    CLIENT,
    CLOSED,
    DEFAULT_LIMITS,
    NEED_DATA,
    SERVER,
    Close,
    Deflate,
    FrameError,
    Limits,
    Machine,
    Ping,
    Pong,
    Role,
)

#: The key of the examples in RFC 6455 §5.7.
KEY = bytes.fromhex("37fa213d")

#: Longest input that is cut everywhere. Heads and ends of frames are what a cut could matter for,
#: and the longer ones have these at their beginning and end.
_EVERY_CUT = 300

#: What a machine said, as values that compare.
Said = list[object]


def frame(first: int, payload: bytes = b"", key: bytes = KEY, form: int = 0) -> bytes:
    """Make one frame.

    Args:
        first: its first byte.
        key: to mask with; none where it is empty.
        form: bytes that the length has beside the seven bits; 0 for the fewest.
    """
    size = len(payload)
    form = form or (0 if size < 126 else 2 if size < 0x10000 else 8)
    short = {0: size, 2: 126, 8: 127}[form]
    head = bytes((first, short | (0x80 if key else 0)))
    masked = bytes(byte ^ key[at % 4] for at, byte in enumerate(payload)) if key else payload
    return head + (size.to_bytes(form, "big") if form else b"") + key + masked


def cuttings(raw: bytes) -> Iterator[Iterable[bytes]]:
    """Make every way of cutting an input that the tests look at, the whole first."""
    size = len(raw)
    yield [raw]
    if size <= _EVERY_CUT:
        yield (raw[at : at + 1] for at in range(size))
        places: Iterable[int] = range(1, size)
    else:
        yield [*(raw[at : at + 1] for at in range(40)), raw[40:]]
        yield (raw[at : at + 997] for at in range(0, size, 997))
        places = [*range(1, 16), *range(size - 8, size)]
    for place in places:
        yield [raw[:place], raw[place:]]


def machine(
    role: Role = SERVER, limits: Limits = DEFAULT_LIMITS, deflate: Deflate | None = None
) -> Machine:
    """Make a machine; the key of a client's is always the same."""
    return Machine(role, limits, deflate, lambda: KEY)


def describe(event: object) -> object:
    """Return an event as a value that compares."""
    if isinstance(event, Ping | Pong):
        return type(event).__name__, event.payload
    if isinstance(event, Close):
        return "Close", event.code, event.reason
    return event


def read(receiver: Machine, raw: bytes = b"") -> Said:
    """Feed some bytes and return the events that come of them."""
    if raw:
        receiver.receive(raw)
    said: Said = []
    while (event := receiver.next_event()) is not NEED_DATA:
        said.append(describe(event))
        if event is CLOSED:
            break
    return said


def feed(receiver: Machine, pieces: Iterable[bytes]) -> tuple[Said, FrameError | None]:
    """Feed all pieces; return what was read, and the error that ended it."""
    said: Said = []
    try:
        for piece in pieces:
            receiver.receive(piece)
            while (event := receiver.next_event()) not in (NEED_DATA, CLOSED):
                said.append(describe(event))
    except FrameError as error:
        return said, error
    return said, None


def every_cut(
    raw: bytes,
    role: Role = SERVER,
    limits: Limits = DEFAULT_LIMITS,
    deflate: Deflate | None = None,
) -> tuple[Said, FrameError | None]:
    """Feed bytes whole and in every cutting, which have to say the same; return that."""
    outcomes: Iterator[tuple[Said, FrameError | None]] = (
        feed(machine(role, limits, deflate), pieces) for pieces in cuttings(raw)
    )
    said, error = next(outcomes)
    for other, other_error in outcomes:
        assert other == said
        assert repr(other_error) == repr(error)
    return said, error


def code_of(raw: bytes, role: Role = SERVER, deflate: Deflate | None = None) -> int | None:
    """Return the code that bytes are refused with, for every cut alike; None for good ones."""
    _, error = every_cut(raw, role, deflate=deflate)
    return None if error is None else error.code


def as_client(role: Role) -> bytes:
    """Return the key that the peer of `role` has to use: none where the peer is a server."""
    return KEY if role is SERVER else b""


ROLES = (SERVER, CLIENT)
