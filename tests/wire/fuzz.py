"""Mutated requests for the machine: `python -m tests.wire.fuzz --count 1000000`.

Whatever comes, the machine says nothing but events and `RemoteProtocolError`, its events are
well-formed, it looks at no byte again and again, and it is silent for good after an error. One
seed gives the same inputs on every machine.
"""

import argparse
import faulthandler
import itertools
import random
import re
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tests.wire.feeding import serve
from tests.wire.hostile import CANARY, HOSTILE
from tests.wire.unusual import UNUSUAL
from toolkit.wire.errors import LocalProtocolError, RemoteProtocolError
from toolkit.wire.events import (
    CHUNKED,
    CLOSED,
    NEED_DATA,
    PAUSED,
    Data,
    EndOfMessage,
    Event,
    RequestHead,
    ResponseHead,
    Signal,
)
from toolkit.wire.http1 import SERVER, Limits, Machine

#: Inputs that another fuzzer found worth keeping.
CORPUS = Path(__file__).parent / "corpus"

#: Largest entry of the tables that is mutated; the larger ones are about limits alone.
MAX_SEED = 2000
#: Largest input made; splices would let it grow.
MAX_INPUT = 8000

#: Small limits, so that mutations reach them.
LIMITS = Limits(head=2000, fields=20, line=1000, chunk_overhead=50, trailers=200, body=1000)

#: What a request is made of, to be put where it does not belong.
TOKENS = (
    b"GET ", b"POST ", b"HEAD ", b"CONNECT ", b"OPTIONS ", b"* ", b"/", b" HTTP/1.1",
    b" HTTP/1.0", b"HTTP/1.1 200 OK\r\n", b"Host: h", b"Host: ", b"Content-Length: ",
    b"Content-Length: 5", b"Content-Length: 0", b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: ", b"chunked", b"gzip, ", b"identity", b"Connection: ", b"close",
    b"keep-alive", b"Upgrade: ", b"upgrade", b"websocket", b"Expect: 100-continue", b"Expect: ",
    b"Trailer: X", b"TE: trailers", b"http://", b"[::1]", b":80", b"\r\n", b"\r\n\r\n", b"\n",
    b"\r", b"\r\n ", b"\r\n\t", b" ", b"\t", b"\0", b"\x0b", b"\x0c", b"\x7f", b"\x85", b"\xa0",
    b"\xff", b":", b";", b",", b"=", b'"', b"\\", b"%", b"#", b"?", b"@", b"0\r\n\r\n",
    b"1\r\na\r\n", b"5;a=b\r\nhello\r\n", b"ffffffffffffffff\r\n", b"0x5", b"+5", b"-1",
    b"5\r\nhello\r\n0\r\nX: y\r\n\r\n", b"\xd9\xa5", b"\xef\xbc\x95", b"9" * 30, b"0" * 30,
    b"a" * 300, CANARY,
)  # fmt: skip

_NUMBERS = re.compile(rb"[0-9]+")
_LINES = re.compile(rb"[^\r\n]*\r?\n")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?")
_TARGET = re.compile(r"[!-~\x80-\xff]+")
#: Fields that no trailer section may bring (RFC 9110 §6.5.1).
_NO_TRAILERS = {"content-length", "transfer-encoding", "host", "authorization", "cookie", "te"}


def seeds() -> tuple[list[bytes], list[bytes]]:
    """Return what is mutated: good requests, and those of the tables and of other fuzzers."""
    good = [entry.raw for entry in UNUSUAL if len(entry.raw) <= MAX_SEED]
    hostile = [entry.raw for entry in HOSTILE if len(entry.raw) <= MAX_SEED]
    found = [path.read_bytes() for path in sorted(CORPUS.glob("*"))]
    return good, [*hostile, *found]


class Mutator:
    """Makes inputs out of others.

    Args:
        seed: what it makes depends on that alone.
    """

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self._good, self._other = seeds()

    def make(self) -> bytes:
        """Return the next input."""
        chance = self.chance
        raw = b"".join(self._seed() for _ in range(chance.choice((1, 1, 2, 3))))
        for _ in range(chance.choice((0, 1, 1, 1, 1, 2, 3, 5))):
            raw = chance.choice(_MUTATIONS)(self, raw)
        return raw[:MAX_INPUT]

    def _seed(self) -> bytes:
        """Choose a good request four times of five, since a bad one ends its connection."""
        return self.chance.choice(self._good if self.chance.random() < 0.8 else self._other)

    def pieces(self, raw: bytes) -> list[bytes]:
        """Cut an input at some places."""
        chance = self.chance
        kind = chance.random()
        if kind < 0.4 or len(raw) < 2:
            return [raw]
        if kind < 0.5:
            return [raw[at : at + 1] for at in range(len(raw))]
        number = min(chance.choice((1, 1, 2, 3, 8)), len(raw) - 1)
        cuts = [0, *sorted(chance.sample(range(1, len(raw)), number)), len(raw)]
        return [raw[a:b] for a, b in itertools.pairwise(cuts)]

    def _place(self, raw: bytes) -> int:
        return self.chance.randint(0, len(raw))

    def _span(self, raw: bytes) -> tuple[int, int]:
        start = self._place(raw)
        return start, min(len(raw), start + self.chance.choice((1, 2, 4, 10, 50)))

    def _line(self, raw: bytes) -> tuple[int, int]:
        lines = list(_LINES.finditer(raw))
        return self.chance.choice(lines).span() if lines else self._span(raw)

    def flip(self, raw: bytes) -> bytes:
        """Change one bit."""
        if not raw:
            return raw
        changed = bytearray(raw)
        changed[self.chance.randrange(len(raw))] ^= 1 << self.chance.randrange(8)
        return bytes(changed)

    def set_byte(self, raw: bytes) -> bytes:
        """Change one byte to any other."""
        at = self._place(raw)
        return raw[:at] + bytes([self.chance.randrange(256)]) + raw[at + 1 :]

    def insert_token(self, raw: bytes) -> bytes:
        """Put a token in."""
        at = self._place(raw)
        return raw[:at] + self.chance.choice(TOKENS) + raw[at:]

    def swap_token(self, raw: bytes) -> bytes:
        """Put a token in the place of another."""
        there = [token for token in TOKENS if token in raw]
        if not there:
            return self.insert_token(raw)
        return raw.replace(self.chance.choice(there), self.chance.choice(TOKENS), 1)

    def remove(self, raw: bytes) -> bytes:
        """Take some bytes out."""
        start, end = self._span(raw)
        return raw[:start] + raw[end:]

    def duplicate(self, raw: bytes) -> bytes:
        """Have some bytes twice."""
        start, end = self._span(raw)
        return raw[:end] + raw[start:end] + raw[end:]

    def repeat_line(self, raw: bytes) -> bytes:
        """Have one line several times."""
        start, end = self._line(raw)
        return raw[:start] + raw[start:end] * self.chance.choice((2, 2, 3, 25)) + raw[end:]

    def move_line(self, raw: bytes) -> bytes:
        """Put one line elsewhere."""
        start, end = self._line(raw)
        line, rest = raw[start:end], raw[:start] + raw[end:]
        at, _ = self._line(rest)
        return rest[:at] + line + rest[at:]

    def splice(self, raw: bytes) -> bytes:
        """Go on with another input."""
        other = self._seed()
        return raw[: self._place(raw)] + other[self._place(other) :]

    def lie_about_a_number(self, raw: bytes) -> bytes:
        """Change a number, such as a length or a chunk's size."""
        numbers = list(_NUMBERS.finditer(raw))
        if not numbers:
            return raw
        found = self.chance.choice(numbers)
        value = int(found[0][:30])
        lies = (value + 1, max(0, value - 1), value * 16, 0, 2**31, 2**32, 2**63, 2**64 + value)
        text = str(self.chance.choice(lies)).encode()
        return raw[: found.start()] + text + raw[found.end() :]

    def chunk(self, raw: bytes) -> bytes:
        """Put a chunk in, of a right size or not, with an extension or not."""
        size = self.chance.choice((0, 1, 5, 16, 300))
        said = size + self.chance.choice((0, 0, 0, 1, -1))
        extension = self.chance.choice((b"", b"", b";a", b";a=b", b';a="b"', b" ;", b";" * 40))
        written = b"%x%b\r\n%b\r\n" % (max(said, 0), extension, b"x" * size)
        at, _ = self._line(raw)
        return raw[:at] + written + raw[at:]

    def cut_short(self, raw: bytes) -> bytes:
        """Leave the end out."""
        return raw[: self._place(raw)]


_MUTATIONS = (
    Mutator.flip,
    Mutator.set_byte,
    Mutator.insert_token,
    Mutator.insert_token,
    Mutator.swap_token,
    Mutator.remove,
    Mutator.duplicate,
    Mutator.repeat_line,
    Mutator.move_line,
    Mutator.splice,
    Mutator.lie_about_a_number,
    Mutator.chunk,
    Mutator.cut_short,
)


class Broken(AssertionError):
    """The machine did what it never may."""


class Watched:
    """A server's machine, and what it may say next.

    Args:
        early: whether requests are answered before they were read.
        limits: of the machine.
    """

    def __init__(self, early: bool, limits: Limits) -> None:
        self.machine = Machine(SERVER, limits)
        self.limits = limits
        self.early = early
        self.requests = 0
        self._head: RequestHead | None = None  # of a request whose end has not come
        self._method = ""
        self._read = 0
        self._steps = 0

    def feed(self, pieces: Iterable[bytes]) -> int:
        """Feed all pieces and then the end; return the status of the error, or 0."""
        try:
            for piece in pieces:
                self.machine.receive(piece)
                if not self._go_on(len(piece)):
                    return 0
            self.machine.receive(b"")
            self._go_on(0)
        except RemoteProtocolError as error:
            self._look_at_failure(error)
            return error.status
        return 0

    def _go_on(self, size: int) -> bool:
        """Take events until there are none; False once the machine is closed."""
        # A byte gives rise to no more than an event or two, and some are due without any.
        self._steps += 4 * size + 20
        while True:
            self._steps -= 1
            check(self._steps > 0, "more events than bytes")
            event = self.machine.next_event()
            if event is CLOSED:
                return False
            if event is NEED_DATA:
                return True
            if event is PAUSED:
                check(not self.machine.response_ended, "paused after both messages")
                self._answer()
            else:
                self._look(event)

    def _answer(self) -> None:
        status = 405 if self._method == "CONNECT" else 200
        raw = self.machine.send_head(ResponseHead(status), b"ok", end=True)
        check(raw.startswith(b"HTTP/1.1 ") and raw.count(b"\r\n\r\n") == 1, "answer")
        if self.machine.reading_head or self.machine.finished:
            # The end of a request that was answered before is passed over.
            self._head = None

    def _look(self, event: Event | Signal) -> None:
        if isinstance(event, RequestHead):
            check(self._head is None, "head within a message")
            look_at_head(event)
            self._head, self._read, self._method = event, 0, event.method
            self.requests += 1
            if self.early:
                self._answer()
        elif isinstance(event, Data):
            check(self._head is not None and self._head.length != 0, "data without content")
            check(type(event.data) is bytes and len(event.data) > 0, "empty data")
            self._read += len(event.data)
            check(self._read <= (self.limits.body or 0), "more content than allowed")
        else:
            check(isinstance(event, EndOfMessage), f"event {event!r}")
            self._look_at_end(event)

    def _look_at_end(self, event: object) -> None:
        head, self._head = self._head, None
        if head is None:
            raise Broken("end without a head")
        if head.length != CHUNKED:
            check(self._read == head.length, f"{self._read} of {head.length} bytes")
        if isinstance(event, EndOfMessage):
            look_at_fields(event.trailers)
            names = {name for name, _ in event.trailers}
            check(not names & _NO_TRAILERS, f"trailers {names}")

    def _look_at_failure(self, error: RemoteProtocolError) -> None:
        """After an error comes nothing but that error, and one answer at most."""
        machine = self.machine
        check(error.status in (400, 413, 414, 417, 431, 505), f"status {error.status}")
        check(str(error).isprintable() and len(str(error)) < 300, f"message {error}")
        check(not machine.keep_alive, "keeps a failed connection")
        for _ in range(2):
            machine.receive(CANARY)
            try:
                event = machine.next_event()
            except RemoteProtocolError as again:
                check(again.status == error.status, "another error")
            else:
                raise Broken(f"{event!r} after an error")
        if not machine.response_started:
            raw = machine.send_head(ResponseHead(error.status), b"no", end=True)
            # To a client of HTTP/1.0 that goes without saying.
            old = self._head is not None and self._head.version == "HTTP/1.0"
            check(old or b"\r\nConnection: close\r\n" in raw, "refusal that does not close")
        try:
            machine.send_head(ResponseHead(200), b"", end=True)
        except LocalProtocolError:
            return
        raise Broken("an answer after the refusal")


def look_at_head(head: RequestHead) -> None:
    """Check that a head holds what the grammar allows and no more."""
    check(_TOKEN.fullmatch(head.method) is not None, f"method {head.method!r}")
    check(_TARGET.fullmatch(head.target) is not None, f"target {head.target!r}")
    check(head.version in ("HTTP/1.0", "HTTP/1.1"), f"version {head.version!r}")
    check(head.length >= CHUNKED, f"length {head.length}")
    look_at_fields(head.fields)
    names = [name for name, _ in head.fields]
    check(head.names == set(names), "names")
    for single in ("host", "content-length"):
        check(names.count(single) <= 1, f"two {single}")
    check(head.version == "HTTP/1.0" or "host" in names, "no Host")
    check("transfer-encoding" not in names or "content-length" not in names, "two lengths")
    check((head.length == CHUNKED) == ("transfer-encoding" in names), "chunks")
    check(not set(head.host) & set('/?#@ \\<>"'), f"host {head.host!r}")


def look_at_fields(fields: Iterable[tuple[str, str]]) -> None:
    """Check that names are tokens in lower case, and values trimmed and without controls."""
    for name, value in fields:
        check(_TOKEN.fullmatch(name) is not None and name == name.lower(), f"name {name!r}")
        check(_VALUE.fullmatch(value) is not None, f"value {value!r}")


def check(holds: bool, what: str) -> None:
    """Raise `Broken` unless it holds; no assert, since this runs with -O too."""
    if not holds:
        raise Broken(what)


def try_one(raw: bytes, mutator: Mutator) -> int:
    """Feed one input in some way; return the status of its error, or 0."""
    chance = mutator.chance
    pieces = mutator.pieces(raw)
    limits = LIMITS if chance.random() < 0.5 else Limits(body=10_000)
    status = Watched(chance.random() < 0.3, limits).feed(pieces)
    if len(pieces) > 1:
        whole, in_pieces = (serve(Machine(SERVER, limits), cut) for cut in ([raw], pieces))
        same = whole[0] == in_pieces[0] and _status(whole[1]) == _status(in_pieces[1])
        check(same, f"{whole} whole, {in_pieces} in pieces")
    return status


def _status(error: RemoteProtocolError | None) -> int:
    return 0 if error is None else error.status


def fuzz(seed: int, count: int) -> Counter[int]:
    """Try so many inputs; return how often each status came, 0 for no error.

    Raises:
        AssertionError: the machine broke, with the input.
    """
    mutator = Mutator(seed)
    seen: Counter[int] = Counter()
    for number in range(count):
        raw = mutator.make()
        try:
            seen[try_one(raw, mutator)] += 1
        except Exception as error:
            raise AssertionError(f"input {number} of seed {seed}: {raw!r}: {error!r}") from error
    return seen


#: Seconds after which so many inputs are taken to hang.
HANG, BATCH = 60, 10_000


def main() -> None:
    """Fuzz as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    begun = time.monotonic()
    seen: Counter[int] = Counter()
    for index, start in enumerate(range(0, options.count, BATCH)):
        faulthandler.dump_traceback_later(HANG, exit=True)
        seen += fuzz(options.seed * 1_000_000 + index, min(BATCH, options.count - start))
    faulthandler.cancel_dump_traceback_later()
    took = time.monotonic() - begun
    verdicts = ", ".join(
        f"{status or 'taken'}: {count:,}" for status, count in sorted(seen.items())
    )
    print(f"{seen.total():,} inputs in {took:.0f} s, seed {options.seed}; {verdicts}")


if __name__ == "__main__":
    main()
