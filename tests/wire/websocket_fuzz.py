"""Mutated frames for the WebSocket machine: `python -m tests.wire.websocket_fuzz --count 1000000`.

Whatever comes, the machine says nothing but events and `FrameError`, the same for every cut, and
is silent for good after an error. One seed gives the same inputs on every machine.
"""

import argparse
import contextlib
import itertools
import random
import zlib
from collections import Counter

import pytest

from tests.wire.framing import KEY, Said, feed, frame, machine
from toolkit.wire.http1 import CLIENT, SERVER, Role
from toolkit.wire.websocket import (
    Deflate,
    FrameError,
    Limits,
    Machine,
)

#: Small limits, so that mutations reach them.
LIMITS = Limits(message=600, empty_fragments=3)
#: Largest payload that is made; with the length in two bytes and in eight.
_SIZES = (0, 1, 2, 3, 5, 20, 124, 125, 126, 127, 300, 599, 600, 601)
_TEXTS = ("", "a", "κόσμε", "😀" * 10, "plain text " * 20, "€" * 200, "\x00")
#: First bytes, the good ones more often.
_FIRSTS = (0x81, 0x82, 0xC1, 0xC2, 0x01, 0x02, 0x41, 0x42, 0x00, 0x00, 0x80, 0x80, 0x89, 0x8A)
_CODES = (1000, 1001, 1005, 1007, 1011, 2999, 3000, 4999, 5000)


class Mutator:
    """Makes streams of frames.

    Args:
        seed: what it makes depends on that alone.
    """

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)

    def make(self, role: Role) -> bytes:
        """Return what a peer of `role` sends."""
        chance = self.chance
        raw = b"".join(self._frame(role) for _ in range(chance.choice((1, 1, 2, 3, 6))))
        for _ in range(chance.choice((0, 0, 1, 1, 2, 4))):
            raw = self._mutate(raw)
        return raw

    def _frame(self, role: Role) -> bytes:
        chance = self.chance
        first = chance.choice(_FIRSTS) if chance.random() < 0.95 else chance.randrange(256)
        if chance.random() < 0.1:
            code = chance.choice(_CODES).to_bytes(2, "big")
            return frame(0x88, code + self._payload()[:123], KEY if role is SERVER else b"")
        payload = self._payload()
        if first & 0x40 and chance.random() < 0.9:
            payload = zlib.compress(payload, wbits=-15)[: chance.choice((None, None, -1))]
            payload += b"\x00"
        if first & 0x08:
            payload = payload[:125]
        form = 0 if chance.random() < 0.95 else 8
        key = chance.randbytes(4) if role is SERVER else b""
        return frame(first, payload, key, form)

    def _payload(self) -> bytes:
        chance = self.chance
        if chance.random() < 0.6:
            data = chance.choice(_TEXTS).encode()
            return data[: chance.choice((None, None, None, -1, 1))]
        return chance.randbytes(chance.choice(_SIZES))

    def _mutate(self, raw: bytes) -> bytes:
        chance = self.chance
        start = chance.randint(0, len(raw))
        end = min(len(raw), start + chance.choice((1, 1, 2, 4, 50)))
        kind = chance.randrange(5)
        if kind == 0:
            return raw[:start] + raw[end:]
        if kind == 1:
            return raw[:start] + raw[start:end] * 2 + raw[end:]
        if kind == 2:
            return raw[:start] + chance.randbytes(end - start) + raw[end:]
        if kind == 3:
            return raw[:start] + chance.randbytes(chance.choice((1, 2, 8))) + raw[start:]
        changed = bytearray(raw)
        if start < len(raw):
            changed[start] ^= 1 << chance.randrange(8)
        return bytes(changed)

    def pieces(self, raw: bytes) -> list[bytes]:
        """Cut an input at some places, or everywhere."""
        chance = self.chance
        if chance.random() < 0.2:
            return [raw[at : at + 1] for at in range(len(raw))]
        number = min(chance.choice((1, 2, 5)), max(len(raw) - 1, 0))
        cuts = [0, *sorted(chance.sample(range(1, len(raw)), number)), len(raw)] if number else []
        return [raw[a:b] for a, b in itertools.pairwise(cuts)] or [raw]


def check_events(said: Said) -> None:
    """Check that events are what RFC 6455 has, within the limits."""
    for at, event in enumerate(said):
        if isinstance(event, str | bytes):
            assert len(event if isinstance(event, bytes) else event.encode()) <= LIMITS.message
        else:
            assert isinstance(event, tuple)
            kind, *values = event
            assert kind in ("Ping", "Pong", "Close")
            assert kind != "Close" or at == len(said) - 1
            assert kind == "Close" or len(values[0]) <= 125


def check_silence(receiver: Machine, error: FrameError | None) -> None:
    """Check that nothing more comes of a machine that had an error."""
    receiver.receive(frame(0x81, b"more"))
    if error is not None:
        with pytest.raises(FrameError) as again:
            receiver.next_event()
        assert (str(again.value), again.value.code) == (str(error), error.code)
    else:
        # What comes after it may be as bad as it wants.
        with contextlib.suppress(FrameError):
            receiver.next_event()


def outcome(said: Said, error: FrameError | None, deflate: Deflate | None) -> tuple[Said, object]:
    """Return what has to be the same for every cut.

    A compressed message may be of wrong text, too large and no deflate at once. What is found
    first depends on how much came.
    """
    code = None if error is None else error.code
    return said, "bad data" if deflate is not None and code in (1007, 1009) else code


def run(count: int, seed: int) -> Counter[str]:
    """Check some inputs; count what came of them.

    Raises:
        AssertionError: with the input that shows what is wrong.
    """
    mutator = Mutator(seed)
    counts: Counter[str] = Counter()
    for _ in range(count):
        role = mutator.chance.choice((SERVER, CLIENT))
        deflate = mutator.chance.choice((None, Deflate(), Deflate(9, 9, False, False)))
        raw = mutator.make(role)
        pieces = mutator.pieces(raw)
        try:
            receiver = machine(role, LIMITS, deflate)
            said, error = feed(receiver, [raw])
            check_events(said)
            check_silence(receiver, error)
            again = feed(machine(role, LIMITS, deflate), pieces)
            assert outcome(*again, deflate) == outcome(said, error, deflate)
        except Exception as failure:
            raise AssertionError(f"{role} {deflate} {raw.hex()} {pieces}: {failure!r}") from failure
        counts["refused" if error else "read"] += 1
        counts.update(type(event).__name__ for event in said)
        counts[f"code {error.code}" if error else "no code"] += 1
    return counts


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    print(run(arguments.count, arguments.seed))


if __name__ == "__main__":
    main()
