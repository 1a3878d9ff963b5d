"""`read_into`: what is not here yet is written right into the buffer of the caller."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.streams.peers import (
    TOO_MUCH,
    WAYS,
    Pairs,
    Peer,
    SecurePair,
    SecurePairs,
    pattern,
    until,
    waiting_in_kernel,
)
from toolkit.iostream import IOStream, StreamClosedError

#: Bytes of a buffer that is worth the way around the stream's own.
LARGE = 64 * 1024

Pair = tuple[IOStream, Peer]


@pytest.fixture
async def pairs() -> AsyncIterator[Pairs]:
    """Give a maker of pairs of a stream and its peer."""
    pairs = Pairs()
    yield pairs
    pairs.close()


@pytest.fixture
async def pair(pairs: Pairs) -> Pair:
    """Give a stream that has moved bytes already, and its peer."""
    stream, peer = pairs(small=True)
    await peer.send(b".")
    assert await stream.read_bytes(1) == b"."
    return stream, peer


@pytest.fixture(params=WAYS)
async def secure(request: pytest.FixtureRequest) -> AsyncIterator[SecurePair]:
    """Give a stream over TLS and its peer, made in every way."""
    pairs = SecurePairs()
    yield await pairs(request.param)
    pairs.close()


def in_place(stream: IOStream) -> bool:
    """Say whether the transport writes into a buffer of ours now."""
    assert stream.transport is not None
    return isinstance(stream.transport.get_protocol(), asyncio.BufferedProtocol)


@pytest.mark.feature("A11")
async def test_a_large_buffer_is_filled_in_place(pair: Pair) -> None:
    """The transport has the buffer meanwhile, and nothing is copied by the stream."""
    stream, peer = pair
    target = bytearray(LARGE)
    future = asyncio.ensure_future(stream.read_into(target))
    assert in_place(stream)
    await peer.send(pattern(0, LARGE // 2))
    await until(lambda: waiting_in_kernel(stream) == 0)
    await until(lambda: target[: LARGE // 2] == pattern(0, LARGE // 2))
    assert in_place(stream)
    assert not future.done()
    await peer.send(pattern(LARGE // 2, LARGE // 2))
    assert await future == LARGE
    assert target == pattern(0, LARGE)
    assert not in_place(stream)


@pytest.mark.feature("A11")
async def test_a_large_buffer_is_filled_in_place_over_tls(secure: SecurePair) -> None:
    stream, peer = secure
    target = bytearray(LARGE)
    future = asyncio.ensure_future(stream.read_into(target))
    assert in_place(stream)
    await peer.send(pattern(0, LARGE + 10))
    assert await future == LARGE
    assert target == pattern(0, LARGE)
    assert not in_place(stream)
    assert await stream.read_bytes(10) == pattern(LARGE, 10)
    target.clear()


async def test_a_small_buffer_is_not_worth_it(pair: Pair) -> None:
    stream, peer = pair
    future = stream.read_into(bytearray(100))
    assert not in_place(stream)
    await peer.send(b"x" * 100)
    assert await future == 100


async def test_a_read_before_the_transport_is_there_is_filled_in_place(pairs: Pairs) -> None:
    stream, peer = pairs()
    target = bytearray(LARGE)
    future = stream.read_into(target)
    await until(lambda: stream.transport is not None)
    assert in_place(stream)
    await peer.send(pattern(0, LARGE))
    assert await future == LARGE
    assert target == pattern(0, LARGE)


async def test_what_is_here_already_is_copied_and_the_rest_comes_in_place(pair: Pair) -> None:
    stream, peer = pair
    await peer.send_apart([pattern(0, 1000)], stream)
    assert await stream.read_bytes(1) == pattern(0, 1)
    target = bytearray(LARGE)
    future = stream.read_into(memoryview(target))
    assert target[:999] == pattern(1, 999)
    assert in_place(stream)
    await peer.send(pattern(1000, LARGE - 999))
    assert await future == LARGE
    assert target == pattern(1, LARGE)


@pytest.mark.parametrize("size", [100, LARGE])
async def test_a_partial_read_into_ends_with_the_first_bytes(pair: Pair, size: int) -> None:
    stream, peer = pair
    target = bytearray(b"." * size)
    future = stream.read_into(target, partial=True)
    await peer.send(b"abc")
    assert await future == 3
    assert target == b"abc" + b"." * (size - 3)
    assert not in_place(stream)


@pytest.mark.parametrize("size", [100, LARGE])
@pytest.mark.parametrize("partial", [False, True])
async def test_the_buffer_can_be_resized_after_the_read(
    pair: Pair, size: int, partial: bool
) -> None:
    stream, peer = pair
    target = bytearray(size)
    future = stream.read_into(target, partial=partial)
    await peer.send(b"x" * size)
    count = await future
    target += b"more"
    del target[:count]
    target.clear()


@pytest.mark.parametrize("size", [100, LARGE])
async def test_the_buffer_can_be_resized_after_a_read_that_failed(pair: Pair, size: int) -> None:
    stream, peer = pair
    target = bytearray(size)
    future = stream.read_into(target)
    await peer.send_apart([b"abc"], stream)
    peer.close()
    with pytest.raises(StreamClosedError):
        await future
    target.clear()


@pytest.mark.parametrize("size", [100, LARGE])
async def test_what_an_unmet_read_into_left_can_still_be_read(pair: Pair, size: int) -> None:
    """As that of any other read."""
    stream, peer = pair
    future = stream.read_into(bytearray(size))
    await peer.send_apart([b"abc"], stream)
    peer.close()
    with pytest.raises(StreamClosedError):
        await future
    assert await stream.read_bytes(3) == b"abc"


async def test_reads_of_other_kinds_may_follow_and_go_before(pair: Pair) -> None:
    stream, peer = pair
    size = 1_000_000
    sending = asyncio.create_task(peer.send(pattern(0, size)))
    place = 0
    target = bytearray(200_000)
    kinds = [1, 100_000, 10, 200_000, 20_000, 200_000]
    while place + 700_000 < size:
        for number, count in enumerate(kinds):
            if number % 2:
                assert await stream.read_into(memoryview(target)[:count]) == count
                assert target[:count] == pattern(place, count)
            else:
                assert await stream.read_bytes(count) == pattern(place, count)
            place += count
    assert await stream.read_bytes(size - place) == pattern(place, size - place)
    await sending


async def test_bytes_past_a_cancelled_read_into_come_in_order(pair: Pair) -> None:
    """Those in the buffer, those that came before anybody noticed, and those after."""
    stream, peer = pair
    size = 300_000
    target = bytearray(LARGE)
    future = asyncio.ensure_future(stream.read_into(target))
    await peer.send_apart([pattern(0, 20_000)], stream)
    future.cancel()
    sending = asyncio.create_task(peer.send(pattern(20_000, size - 20_000)))
    for _ in range(50):
        await asyncio.sleep(0)
    target.clear()
    assert await stream.read_bytes(size) == pattern(0, size)
    await sending


async def test_many_large_reads_may_be_cancelled_in_a_row(pair: Pair) -> None:
    stream, peer = pair
    for number in range(10):
        future = asyncio.ensure_future(stream.read_into(bytearray(LARGE + number)))
        await peer.send_apart([b"%d" % number], stream)
        future.cancel()
        if number % 2:
            await asyncio.sleep(0)
    assert await stream.read_bytes(10) == b"0123456789"


async def test_a_push_after_a_cancelled_read_into_gets_all(pair: Pair) -> None:
    stream, peer = pair
    future = asyncio.ensure_future(stream.read_into(bytearray(LARGE)))
    await peer.send_apart([b"abc"], stream)
    future.cancel()
    await asyncio.sleep(0)
    seen = bytearray()
    stream.push_to(seen.extend)
    await peer.send(b"def")
    await until(lambda: len(seen) == 6)
    assert seen == b"abcdef"


async def test_the_peer_has_to_wait_after_a_large_read(pair: Pair) -> None:
    stream, peer = pair
    target = bytearray(LARGE)
    sending = asyncio.create_task(peer.send(pattern(0, TOO_MUCH)))
    assert await stream.read_into(target) == LARGE
    for _ in range(300):
        await asyncio.sleep(0)
    assert not sending.done()
    assert await stream.read_bytes(TOO_MUCH - LARGE) == pattern(LARGE, TOO_MUCH - LARGE)
    await sending


@pytest.mark.parametrize("buffer", [b"constant", memoryview(b"constant")])
async def test_a_buffer_that_cannot_be_written_is_an_error(pair: Pair, buffer: Any) -> None:
    stream, peer = pair
    with pytest.raises(TypeError):
        await stream.read_into(buffer)
    assert not stream.reading()
    await peer.send(b"x")
    assert await stream.read_bytes(1) == b"x"


async def test_a_read_that_is_refused_lets_go_of_its_buffer(pair: Pair) -> None:
    stream, peer = pair
    first = stream.read_bytes(1)
    target = bytearray(LARGE)
    with pytest.raises(AssertionError, match="Already reading"):
        await stream.read_into(target)
    target.clear()
    await peer.send(b"x")
    assert await first == b"x"
