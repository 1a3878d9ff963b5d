"""Queues: order, room, time-outs, `join` and the end."""

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from toolkit.queues import (
    LifoQueue,
    PriorityQueue,
    Queue,
    QueueEmpty,
    QueueFull,
    QueueShutDown,
)

OVER: list[float | timedelta] = [0, timedelta(0)]

over = pytest.mark.parametrize("timeout", OVER)

KINDS: list[type[Queue[int]]] = [Queue, PriorityQueue, LifoQueue]

each = pytest.mark.parametrize("kind", KINDS)

Kind = Callable[..., "Queue[int]"]


@pytest.mark.feature("A09")
@pytest.mark.parametrize(
    ("kind", "expected"),
    [(Queue, [2, 3, 1]), (PriorityQueue, [1, 2, 3]), (LifoQueue, [1, 3, 2])],
)
async def test_each_kind_has_its_order(kind: Kind, expected: list[int]) -> None:
    queue = kind()
    for item in (2, 3, 1):
        await queue.put(item)
    assert [queue.get_nowait(), await queue.get(), queue.get_nowait()] == expected


@pytest.mark.feature("A09")
@each
async def test_put_waits_for_room_and_get_for_an_item(kind: Kind) -> None:
    queue = kind(1)
    gets = [asyncio.ensure_future(queue.get()) for _ in range(2)]
    puts = [queue.put(item) for item in range(4)]
    assert [put.done() for put in puts] == [True, True, True, False]
    assert await asyncio.gather(*gets) == [0, 1]
    assert queue.full()
    assert {await queue.get(), await queue.get()} == {2, 3}
    assert puts[3].done()
    assert queue.empty()


@each
async def test_nothing_waits_without_waiting(kind: Kind) -> None:
    queue = kind(1)
    with pytest.raises(QueueEmpty):
        queue.get_nowait()
    queue.put_nowait(1)
    with pytest.raises(QueueFull, match="holds 1 items, of at most 1"):
        queue.put_nowait(2)
    assert queue.get_nowait() == 1


@pytest.mark.feature("A09")
@each
@over
async def test_put_and_get_give_up_after_the_timeout(
    kind: Kind, timeout: float | timedelta
) -> None:
    queue = kind(1)
    with pytest.raises(TimeoutError, match="no item came in time"):
        await queue.get(timeout)
    await queue.put(1, timeout)
    with pytest.raises(TimeoutError, match="the queue had no room in time"):
        await queue.put(2, timeout)
    assert "ters[" not in repr(queue)
    assert await queue.get(timeout) == 1
    assert queue.empty()


@pytest.mark.parametrize(
    ("maxsize", "error"), [(None, TypeError), (-1, ValueError), ("a", TypeError)]
)
def test_a_wrong_maxsize_is_refused(maxsize: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        Queue(maxsize)


def test_a_broken_maxsize_is_rounded_up() -> None:
    queue: Queue[int] = Queue(1.5)  # type: ignore[arg-type]
    queue.put_nowait(1)
    queue.put_nowait(2)
    assert queue.full()
    assert queue.maxsize == 1.5


async def test_a_queue_shows_its_state() -> None:
    queue: Queue[int] = Queue(1)
    assert str(queue) == "<Queue maxsize=1>"
    assert repr(queue) == f"<Queue at {id(queue):#x} maxsize=1>"
    waiting = queue.get()
    assert str(queue) == "<Queue maxsize=1 getters[1]>"
    waiting.cancel()
    queue.put_nowait(1)
    putting = queue.put(2)
    assert str(queue) == "<Queue maxsize=1 queue=deque([1]) putters[1] tasks=1>"
    queue.shutdown()
    assert str(queue) == "<Queue maxsize=1 queue=deque([1]) tasks=1 shutdown>"
    assert isinstance(putting.exception(), QueueShutDown)


# -- tasks -------------------------------------------------------------------------------


@pytest.mark.feature("A09")
@each
async def test_join_waits_for_all_tasks(kind: Kind) -> None:
    queue = kind(2)
    await queue.join()
    queue.put_nowait(1)
    queue.put_nowait(2)
    putting = queue.put(3)
    joined = queue.join()
    for _ in range(3):
        assert not joined.done()
        queue.get_nowait()
        queue.task_done()
    await joined
    await putting
    with pytest.raises(ValueError, match="too many times"):
        queue.task_done()


@pytest.mark.feature("A09")
@over
async def test_join_gives_up_after_the_timeout(timeout: float | timedelta) -> None:
    queue: Queue[int] = Queue()
    queue.put_nowait(1)
    with pytest.raises(TimeoutError):
        await queue.join(timeout)


@pytest.mark.feature("A09")
@each
async def test_async_for_gets_items_until_the_queue_is_shut_down(kind: Kind) -> None:
    queue = kind(1)
    seen: list[int] = []

    async def consume() -> None:
        async for item in queue:
            seen.append(item)
            queue.task_done()

    async with asyncio.TaskGroup() as group:
        group.create_task(consume())
        for item in range(5):
            await queue.put(item)
        await queue.join()
        queue.shutdown()
    assert sorted(seen) == list(range(5))


# -- the end -----------------------------------------------------------------------------


@each
async def test_after_shutdown_the_rest_goes_out_and_nothing_in(kind: Kind) -> None:
    queue = kind(2)
    queue.put_nowait(1)
    queue.put_nowait(2)
    putting = queue.put(3)
    queue.shutdown()
    queue.shutdown()
    with pytest.raises(QueueShutDown):
        await putting
    with pytest.raises(QueueShutDown):
        await queue.put(4)
    with pytest.raises(QueueShutDown):
        queue.put_nowait(4)
    assert {await queue.get(), queue.get_nowait()} == {1, 2}
    with pytest.raises(QueueShutDown):
        await queue.get()
    with pytest.raises(QueueShutDown):
        queue.get_nowait()
    assert not queue.join().done()
    queue.task_done()
    queue.task_done()
    await queue.join()


@each
async def test_shutdown_wakes_those_who_wait_for_items(kind: Kind) -> None:
    queue = kind()
    gets = [queue.get(), queue.get(timedelta(seconds=3600))]
    queue.shutdown()
    for get in gets:
        with pytest.raises(QueueShutDown):
            await get


@each
async def test_an_immediate_shutdown_throws_the_items_away(kind: Kind) -> None:
    queue = kind()
    for item in range(3):
        queue.put_nowait(item)
    queue.get_nowait()
    joined = queue.join()
    queue.shutdown(immediate=True)
    assert queue.empty()
    with pytest.raises(QueueShutDown):
        queue.get_nowait()
    assert not joined.done()
    queue.task_done()
    await joined


# -- cancelled too late ------------------------------------------------------------------


async def cancelled_too_late(queue: "Queue[int]", *items: int) -> "asyncio.Task[int]":
    """Return a task that was handed the first item and then cancelled, and has not run since."""

    async def get() -> int:
        return await queue.get()

    task = asyncio.create_task(get())
    await asyncio.sleep(0)
    for item in items:
        queue.put_nowait(item)
    task.cancel()
    return task


@each
async def test_an_item_that_nobody_took_is_the_next_again(kind: Kind) -> None:
    queue = kind(1)
    task = await cancelled_too_late(queue, 1, 2)
    putting = queue.put(3)
    await asyncio.wait([task])
    assert queue.qsize() == 2
    first = {Queue: 1, PriorityQueue: 1, LifoQueue: 1}[kind]  # type: ignore[index]
    assert queue.get_nowait() == first
    assert not putting.done()
    assert queue.get_nowait() is not None
    assert putting.done()
    assert queue.get_nowait() is not None


@each
async def test_an_item_that_nobody_took_goes_to_the_next_who_waits(kind: Kind) -> None:
    queue = kind()
    task = await cancelled_too_late(queue, 1)
    waiting = queue.get()
    assert not waiting.done()
    await asyncio.wait([task])
    assert await waiting == 1


@each
async def test_an_item_that_nobody_took_goes_with_the_rest_at_an_immediate_shutdown(
    kind: Kind,
) -> None:
    queue = kind()
    task = await cancelled_too_late(queue, 1)
    queue.shutdown(immediate=True)
    await asyncio.wait([task])
    assert queue.empty()
    await queue.join()


async def test_a_put_that_is_cancelled_too_late_has_put_its_item() -> None:
    queue: Queue[int] = Queue(1)
    queue.put_nowait(1)

    async def put() -> None:
        await queue.put(2)

    task = asyncio.create_task(put())
    await asyncio.sleep(0)
    assert queue.get_nowait() == 1
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert queue.get_nowait() == 2


async def test_a_subclass_with_another_order_loses_nothing() -> None:
    class Longest(Queue[str]):
        def _init(self) -> None:
            self._queue: list[str] = []

        def _put(self, item: str) -> None:
            self._queue.append(item)
            self._queue.sort(key=len)

        def _get(self) -> str:
            return self._queue.pop()

    queue = Longest()
    task = await cancelled_too_late(queue, "three", "one")  # type: ignore[arg-type]
    await asyncio.wait([task])
    assert [queue.get_nowait(), queue.get_nowait()] == ["three", "one"]


def test_the_usual_queue_is_a_deque() -> None:
    assert isinstance(Queue()._queue, deque)
