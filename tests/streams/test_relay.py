"""`relay`: what comes by one stream goes on to another, no faster than that one takes it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.streams.peers import Pairs, pattern
from toolkit.iostream import StreamBufferFullError, StreamClosedError, relay, splicing
from toolkit.iostream.socket_transport import MAX_READ_SIZE

MUCH = 3_000_000


@pytest.fixture
async def pairs() -> AsyncIterator[Pairs]:
    """Make streams with peers, closed at the end."""
    pairs = Pairs()
    yield pairs
    pairs.close()


async def test_all_that_comes_goes_on_until_the_end(pairs: Pairs) -> None:
    source, sender = pairs()
    target, receiver = pairs()
    relaying = asyncio.create_task(relay(source, target))
    data = bytes(range(256)) * (MUCH // 256)
    sending = asyncio.create_task(sender.send(data))
    received = await receiver.receive(len(data))
    await sending
    sender.end()
    assert await relaying == len(data)
    assert received == data
    assert not target.closed()
    await target.write(b"more")
    assert await receiver.receive(4) == b"more"


@pytest.mark.skipif(not splicing.AVAILABLE, reason="only Linux has it")
async def test_what_comes_fast_goes_on_within_the_kernel(
    pairs: Pairs, monkeypatch: pytest.MonkeyPatch, loop_name: str
) -> None:
    source, sender = pairs()
    target, receiver = pairs()
    moved: list[int] = []

    def splice(here: int, there: int) -> tuple[int, bytes]:
        sent, rest = original(here, there)
        moved.append(sent)
        return sent, rest

    original = splicing.splice
    monkeypatch.setattr(splicing, "splice", splice)
    size = await sender.fill(200_000)  # more than one read
    sender.end()
    received, sent = await asyncio.gather(receiver.receive(size), relay(source, target))
    assert received == pattern(0, size)
    assert sent == size
    assert sum(moved) > 0 or loop_name == "uvloop"  # which reads more at first


async def test_what_had_come_before_goes_first(pairs: Pairs) -> None:
    source, sender = pairs()
    target, receiver = pairs()
    await sender.send(b"line\nrest")
    assert await source.read_until(b"\n") == b"line\n"
    sender.end()
    assert await relay(source, target) == 4
    assert await receiver.receive(4) == b"rest"


async def test_a_target_that_takes_nothing_stops_the_source(pairs: Pairs) -> None:
    source, sender = pairs(small=True)
    target, receiver = pairs(small=True)
    relaying = asyncio.create_task(relay(source, target))
    sending = asyncio.create_task(sender.send(b"x" * MUCH))
    for _ in range(500):
        await asyncio.sleep(0)
    assert target.writing()
    assert not sending.done()
    assert target.unsent <= 2 * MAX_READ_SIZE
    assert len(await receiver.receive(MUCH)) == MUCH
    await sending
    sender.end()
    assert await relaying == MUCH


async def test_cancelled_it_leaves_the_rest_to_be_read(pairs: Pairs) -> None:
    source, sender = pairs()
    target, receiver = pairs()
    relaying = asyncio.create_task(relay(source, target))
    await sender.send(b"one")
    assert await receiver.receive(3) == b"one"
    relaying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await relaying
    await sender.send(b"two")
    assert await source.read_bytes(3) == b"two"


async def test_a_source_that_is_aborted_is_an_error(pairs: Pairs) -> None:
    source, _ = pairs()
    target, _ = pairs()
    relaying = asyncio.create_task(relay(source, target))
    await asyncio.sleep(0)
    source.close(exc_info=OSError("gone"))
    with pytest.raises(StreamClosedError) as error:
        await relaying
    assert str(error.value.real_error) == "gone"


async def test_what_a_closed_target_does_not_take_stays(pairs: Pairs) -> None:
    source, sender = pairs()
    target, _ = pairs()
    relaying = asyncio.create_task(relay(source, target))
    await asyncio.sleep(0)
    target.close()
    await sender.send(b"late")
    with pytest.raises(StreamClosedError):
        await relaying
    assert await source.read_bytes(4) == b"late"


async def test_a_full_target_is_an_error(pairs: Pairs) -> None:
    source, sender = pairs()
    target, _ = pairs(max_write_buffer_size=3)
    relaying = asyncio.create_task(relay(source, target))
    await sender.send(b"four")
    with pytest.raises(StreamBufferFullError):
        await relaying
    assert await source.read_bytes(4) == b"four"
