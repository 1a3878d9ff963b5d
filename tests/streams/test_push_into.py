"""`push_into`: what is pushed comes right to where the consumer wants it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.streams.peers import WAYS, Pairs, Peer, SecurePair, SecurePairs, pattern, until
from toolkit.iostream import IOStream

SIZE = 100_000

Pair = tuple[IOStream, Peer]


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    """Give a stream and its peer."""
    pairs = Pairs()
    yield pairs()
    pairs.close()


@pytest.fixture(params=WAYS)
async def secure(request: pytest.FixtureRequest) -> AsyncIterator[SecurePair]:
    """Give a stream over TLS and its peer, made in every way."""
    pairs = SecurePairs()
    yield await pairs(request.param)
    pairs.close()


class Consumer:
    """Takes what is pushed; after the first byte, `SIZE` bytes of it go to `target`.

    Attributes:
        ended: what `push_into` told.
    """

    def __init__(self, stream: IOStream) -> None:
        self.stream = stream
        self.target = bytearray(SIZE)
        self.pushed = bytearray()
        self.eof = self.closed = False
        self.ended: list[int] = []
        stream.set_close_callback(self._close)
        stream.push_to(self._take)

    def _close(self) -> None:
        self.closed = True

    def _take(self, data: bytes) -> None:
        self.eof = self.eof or not data
        begins = not self.pushed
        self.pushed += data
        if begins and data:
            self.filler = self.stream.push_into(memoryview(self.target), self.ended.append)

    async def begin(self, peer: Peer) -> None:
        """Have the peer send the first byte."""
        await peer.send(b".")
        await until(lambda: bool(self.pushed))
        assert self.filler is not None


async def test_the_target_is_filled_and_the_rest_is_pushed(pair: Pair) -> None:
    stream, peer = pair
    consumer = Consumer(stream)
    await consumer.begin(peer)
    await peer.send(pattern(0, SIZE))
    await until(lambda: bool(consumer.ended))
    assert consumer.ended == [SIZE]
    assert consumer.target == pattern(0, SIZE)
    consumer.target.clear()  # nobody holds it any more
    await peer.send(b"rest")
    await until(lambda: consumer.pushed == b".rest")


async def test_records_of_tls_are_decrypted_into_the_target(secure: SecurePair) -> None:
    """All that have come in one go, and what is beyond the target is pushed."""
    stream, peer = secure
    consumer = Consumer(stream)
    await consumer.begin(peer)
    await peer.send(pattern(0, SIZE + 10))
    await until(lambda: len(consumer.pushed) == 11)
    assert consumer.ended == [SIZE]
    assert consumer.target == pattern(0, SIZE)
    assert consumer.pushed == b"." + pattern(SIZE, 10)
    consumer.target.clear()


@pytest.mark.parametrize("sent", [0, 1000])
async def test_the_end_is_told_with_what_has_come(pair: Pair, sent: int) -> None:
    """And pushed behind it."""
    stream, peer = pair
    consumer = Consumer(stream)
    await consumer.begin(peer)
    await peer.send(pattern(0, sent))
    peer.close()
    await until(lambda: consumer.eof)
    assert consumer.ended == [sent]
    assert consumer.target[:sent] == pattern(0, sent)


async def test_who_aborts_is_told_what_had_come(pair: Pair) -> None:
    stream, peer = pair
    consumer = Consumer(stream)
    await consumer.begin(peer)
    stream.abort()
    await until(lambda: consumer.closed and bool(consumer.ended))
    assert consumer.ended == [0]


async def test_it_can_be_stopped(pair: Pair) -> None:
    """What comes then is pushed, and nobody is told."""
    stream, peer = pair
    consumer = Consumer(stream)
    await consumer.begin(peer)
    await peer.send(b"abc")
    assert consumer.filler is not None
    await until(lambda: consumer.target[:3] == b"abc")
    consumer.filler.stop()
    assert consumer.filler.filled == 3
    consumer.target.clear()
    await peer.send(b"rest")
    await until(lambda: consumer.pushed == b".rest")
    assert not consumer.ended


async def test_what_is_written_meanwhile_waits_and_leaves_as_ever(pair: Pair) -> None:
    """The stream still hears of a full buffer, and of its end."""
    stream, peer = pair
    consumer = Consumer(stream)
    await consumer.begin(peer)
    written = stream.write(pattern(0, 8 * 1024 * 1024))
    assert not written.done()
    assert stream.writing()
    received = asyncio.create_task(peer.receive(8 * 1024 * 1024))
    await written
    assert await received == pattern(0, 8 * 1024 * 1024)


async def test_a_stream_that_holds_bytes_back_is_filled_by_nobody(pair: Pair) -> None:
    """Nor one that is closed: the caller goes on as without."""
    stream, _ = pair
    consumer = Consumer(stream)
    stream.pause_reading()
    assert stream.push_into(memoryview(consumer.target), consumer.ended.append) is None
    stream.close()
    assert stream.push_into(memoryview(consumer.target), consumer.ended.append) is None
