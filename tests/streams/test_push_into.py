"""`push_into`: what is pushed comes right to where the consumer wants it."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator

import pytest

from tests.streams.peers import WAYS, Pairs, Peer, SecurePair, SecurePairs, pattern, until
from toolkit.iostream import IOStream
from toolkit.iostream.filling import FIRST_SIZE, MUCH, PARTS, SHARED_SIZE

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
    """Takes what is pushed; after the first byte, `size` bytes of it go to `target`.

    Attributes:
        ended: what `push_into` told.
    """

    size = SIZE
    in_bulk = False

    def __init__(self, stream: IOStream) -> None:
        self.stream = stream
        self.target = bytearray(self.size)
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
            self.filler = self.stream.push_into(
                memoryview(self.target), self.ended.append, self.in_bulk
            )

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


# -- in bulk -----------------------------------------------------------------------------

LARGE = 4 * MUCH

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is not asked for")


class Bulk(Consumer):
    """Has `LARGE` bytes written into `target`, in bulk."""

    size = LARGE
    in_bulk = True


def least(stream: IOStream) -> int:
    """Return how many bytes the system tells of."""
    return int(stream.socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT))


@on_linux
async def test_of_little_that_comes_in_bulk_nobody_is_told(pair: Pair) -> None:
    """Until there is much, or so few bytes are missing that TLS might hold them back."""
    stream, peer = pair
    bulk = Bulk(stream)
    await bulk.begin(peer)
    assert least(stream) == MUCH
    filler = bulk.filler
    assert filler is not None
    await peer.send(pattern(0, 1000))
    for _ in range(5):
        await asyncio.sleep(0)
    assert filler.filled == 0
    await peer.send(pattern(1000, MUCH))
    await until(lambda: filler.filled >= MUCH)
    await peer.send(pattern(MUCH + 1000, LARGE - PARTS - MUCH - 1000))
    await until(lambda: filler.filled == LARGE - PARTS)
    assert least(stream) == 1
    await peer.send(pattern(LARGE - PARTS, PARTS))
    await until(lambda: bool(bulk.ended))
    assert bulk.ended == [LARGE]
    assert bulk.target == pattern(0, LARGE)


@pytest.mark.parametrize("cut", [0, 1, MUCH - 1, MUCH + 1, LARGE - PARTS - 1, LARGE - 1])
async def test_an_end_is_told_of_at_once(pair: Pair, cut: int) -> None:
    stream, peer = pair
    bulk = Bulk(stream)
    await bulk.begin(peer)
    await peer.send(pattern(0, cut))
    peer.close()
    await until(lambda: bool(bulk.ended))
    assert bulk.ended == [cut]
    assert bulk.target[:cut] == pattern(0, cut)


async def test_all_of_a_bulk_comes_through_tls(secure: SecurePair) -> None:
    """A part of a record, which OpenSSL holds, is not waited for at the socket."""
    stream, peer = secure
    bulk = Bulk(stream)
    await bulk.begin(peer)
    sending = asyncio.create_task(peer.send(pattern(0, LARGE + 1)))
    await until(lambda: len(bulk.pushed) == 2)
    await sending
    assert bulk.ended == [LARGE]
    assert bulk.target == pattern(0, LARGE)
    assert bulk.pushed == b"." + pattern(LARGE, 1)


@on_linux
async def test_who_stops_a_bulk_is_told_of_every_byte_again(pair: Pair) -> None:
    stream, peer = pair
    bulk = Bulk(stream)
    await bulk.begin(peer)
    assert bulk.filler is not None
    bulk.filler.stop()
    assert least(stream) == 1
    await peer.send(b"!")
    await until(lambda: bulk.pushed == b".!")


# -- by a shared buffer ------------------------------------------------------------------


async def test_what_comes_by_a_shared_buffer_is_of_its_own_connection() -> None:
    """Two of them have it in turns; it is small first, and as large as it is for much."""
    pairs = Pairs()
    sizes: list[int] = []
    received = [bytearray(), bytearray()]
    made = [pairs(), pairs()]
    for (stream, peer), target in zip(made, received, strict=True):

        def take(data: bytes, target: bytearray = target) -> None:
            sizes.append(len(data))
            target += data

        stream.push_to(take)
        await peer.send(b".")
        await until(lambda target=target: target == b".")
        stream.share_buffer()
    sent = [pattern(1, LARGE), pattern(2, LARGE)]
    sending = [
        asyncio.create_task(peer.send(data)) for (_, peer), data in zip(made, sent, strict=True)
    ]
    await until(lambda: all(len(data) == 1 + LARGE for data in received))
    await asyncio.gather(*sending)
    assert [data[1:] for data in received] == sent
    assert sizes[2] <= FIRST_SIZE
    assert FIRST_SIZE < max(sizes) <= SHARED_SIZE
    pairs.close()
