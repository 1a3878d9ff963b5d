"""Where bytes were cut on their way means nothing: not to the events, nor to an error's words."""

import itertools
from collections.abc import Sequence

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.wire.feeding import receive_response, serve
from tests.wire.fuzz import LIMITS, MAX_SEED, Mutator
from tests.wire.hostile import HOSTILE
from tests.wire.unusual import UNUSUAL
from toolkit.wire.events import RequestHead
from toolkit.wire.http1 import CLIENT, DEFAULT_LIMITS, SERVER, Machine

_GOOD = [entry.raw for entry in UNUSUAL if len(entry.raw) <= MAX_SEED]
_BAD = [entry.raw for entry in HOSTILE if len(entry.raw) <= MAX_SEED]

#: Some requests, good ones first, as somebody pipelines them.
PIPELINES = st.tuples(
    st.lists(st.sampled_from(_GOOD), max_size=3), st.sampled_from([b"", *_GOOD, *_BAD])
).map(lambda parts: b"".join(parts[0]) + parts[1])
#: What the fuzzer makes.
MUTATED = st.integers(0, 2**32).map(lambda seed: Mutator(seed).make())
CUTS = st.lists(st.integers(0, 2**16), max_size=12)
LIMIT_SETS = st.sampled_from([DEFAULT_LIMITS, LIMITS])

RESPONSES = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a\r\nhello\r\n0\r\nX: y\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n",
    b"HTTP/1.0 200\r\n\r\nhello",
    b"HTTP/1.1 204 No Content\r\nX: y\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n",
    b"HTTP/1.1 200 OK\nX: a\n\n",
    b"HTTP/1.1 20 OK\r\n\r\n",
    b"ICY 200 OK\r\n\r\n",
)


def cut(raw: bytes, cuts: Sequence[int]) -> list[bytes]:
    """Cut at some places; pieces are never empty, since that would be the end."""
    places = sorted({0, len(raw), *(place % (len(raw) + 1) for place in cuts)})
    return [raw[start:end] for start, end in itertools.pairwise(places)]


def single(raw: bytes) -> list[bytes]:
    """Cut between all bytes."""
    return [raw[at : at + 1] for at in range(len(raw))]


def both(raw: bytes, cuts: Sequence[int]) -> list[list[bytes]]:
    """Return the input whole, cut as told, and cut everywhere; each with its end or without."""
    return [[raw], cut(raw, cuts), single(raw)]


@settings(derandomize=True, deadline=None, max_examples=400)
@given(raw=PIPELINES | MUTATED, cuts=CUTS, ended=st.booleans(), limits=LIMIT_SETS)
@example(b"GET /a\x17b HTTP/1.1\r\nHost: h\r\n\r\n", [3], False, DEFAULT_LIMITS)
@example(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" * 2, [20], True, DEFAULT_LIMITS)
def test_requests(raw: bytes, cuts: list[int], ended: bool, limits: object) -> None:
    """A server reads the same requests, and says the same of what it refuses."""
    seen = set()
    for pieces in both(raw, cuts):
        said, error = serve(Machine(SERVER, limits), [*pieces, b""] if ended else pieces)  # type: ignore[arg-type]
        seen.add((tuple(said), error and error.status, str(error)))
    assert len(seen) == 1


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    answers=st.lists(st.sampled_from(RESPONSES), min_size=1, max_size=3),
    place=st.integers(0, 2**16),
    octet=st.integers(0, 511),
    cuts=CUTS,
    method=st.sampled_from(["GET", "HEAD"]),
    ended=st.booleans(),
)
def test_responses(
    answers: list[bytes], place: int, octet: int, cuts: list[int], method: str, ended: bool
) -> None:
    """A client reads the same responses, one byte of which may have been changed."""
    whole = bytearray(b"".join(answers))
    if octet < 256:
        whole[place % len(whole)] = octet
    seen = set()
    for pieces in both(bytes(whole), cuts):
        machine = Machine(CLIENT)
        machine.send_head(RequestHead(method, "/", [("Host", "h")]), end=True)
        said, error = receive_response(machine, [*pieces, b""] if ended else pieces)
        seen.add((tuple(said), error is None))
    assert len(seen) == 1


@settings(derandomize=True, deadline=None, max_examples=100)
@given(earlier=st.lists(st.sampled_from(_GOOD), max_size=4), raw=PIPELINES | MUTATED, cuts=CUTS)
def test_what_other_connections_sent_means_nothing(
    earlier: list[bytes], raw: bytes, cuts: list[int]
) -> None:
    """Whatever a process remembers of heads, it reads the next ones as if it were its first."""
    first = serve(Machine(SERVER), cut(raw, cuts))
    for request in earlier:
        serve(Machine(SERVER), [request])
    again = serve(Machine(SERVER), cut(raw, cuts))
    assert (first[0], str(first[1])) == (again[0], str(again[1]))
