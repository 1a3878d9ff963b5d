"""Locks, semaphores, conditions and events, each with time-outs."""

import asyncio
import gc
import weakref
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from toolkit import gen
from toolkit.locks import BoundedSemaphore, Condition, Event, Lock, Semaphore

#: Time-outs that are over at once: a deadline that is past, and no time at all.
OVER: list[float | timedelta] = [0, timedelta(0), timedelta(seconds=-1)]

over = pytest.mark.parametrize("timeout", OVER)

SEMAPHORES: list[Callable[[], Any]] = [Lock, Semaphore, BoundedSemaphore]

each = pytest.mark.parametrize("make", SEMAPHORES)


@pytest.mark.feature("A08")
@each
async def test_those_who_wait_are_served_in_order(make: Callable[[], Any]) -> None:
    lock = make()
    order: list[int] = []

    async def enter(number: int) -> None:
        async with lock as nothing:
            assert nothing is None
            order.append(number)
            await asyncio.sleep(0)
            order.append(number)

    async with asyncio.TaskGroup() as group:
        for number in range(3):
            group.create_task(enter(number))
    assert order == [0, 0, 1, 1, 2, 2]


@each
async def test_acquire_takes_effect_when_it_is_called(make: Callable[[], Any]) -> None:
    lock = make()
    first, second = lock.acquire(), lock.acquire()
    assert first.done()
    assert not second.done()
    lock.release()
    assert second.done()
    with await second:
        assert not lock.acquire().done()


@each
async def test_what_acquire_returns_releases_at_the_end_of_with(make: Callable[[], Any]) -> None:
    lock = make()

    async def fail() -> None:
        with await lock.acquire() as nothing:
            assert nothing is None
            raise KeyError

    with pytest.raises(KeyError):
        await fail()
    assert lock.acquire().done()


@pytest.mark.feature("A08")
@each
@over
async def test_acquire_gives_up_after_the_timeout(
    make: Callable[[], Any], timeout: float | timedelta
) -> None:
    lock = make()
    assert lock.acquire(timeout).done()
    with pytest.raises(TimeoutError, match="no permit was free in time"):
        await lock.acquire(timeout)
    assert "waiters" not in repr(lock)


@each
async def test_a_deadline_is_a_time_of_the_loop(make: Callable[[], Any]) -> None:
    lock = make()
    lock.acquire()
    loop = asyncio.get_running_loop()
    waiting = lock.acquire(loop.time() + 3600)
    with pytest.raises(TimeoutError):
        await lock.acquire(loop.time() - 1)
    assert not waiting.done()
    lock.release()
    with await waiting:
        pass


@each
async def test_other_timeouts_are_refused(make: Callable[[], Any]) -> None:
    lock = make()
    lock.acquire()
    with pytest.raises(TypeError, match="Unsupported deadline 'soon'"):
        lock.acquire("soon")
    assert "waiters" not in repr(lock)


@each
async def test_many_timeouts_leave_nobody_behind(make: Callable[[], Any]) -> None:
    lock = make()
    lock.acquire()
    waits = [lock.acquire(0) for _ in range(100)]
    assert "waiters:100" in repr(lock)
    await asyncio.wait(waits)
    assert "waiters" not in repr(lock)
    assert all(isinstance(wait.exception(), TimeoutError) for wait in waits)


@each
async def test_a_permit_in_time_stops_the_timeout(make: Callable[[], Any]) -> None:
    lock = make()
    lock.acquire()
    waiting = lock.acquire(0)
    lock.release()
    with await waiting:
        await asyncio.sleep(0)


@each
async def test_an_acquire_that_is_cancelled_too_late_passes_the_permit_on(
    make: Callable[[], Any],
) -> None:
    lock = make()
    lock.acquire()

    async def acquire() -> None:
        async with asyncio.timeout(3600):
            await lock.acquire()

    tasks = [asyncio.create_task(acquire()) for _ in range(2)]
    await asyncio.sleep(0)
    lock.release()
    tasks[0].cancel()
    await asyncio.wait(tasks)
    assert [task.cancelled() for task in tasks] == [True, False]


@each
async def test_a_coroutine_that_is_closed_while_it_waits_leaves(make: Callable[[], Any]) -> None:
    lock = make()
    lock.acquire()

    async def acquire() -> None:
        await lock.acquire()

    coroutine = acquire()
    coroutine.send(None)
    assert "waiters:1" in repr(lock)
    coroutine.close()
    assert "waiters" not in repr(lock)


@each
async def test_the_permit_of_a_cancelled_with_timeout_goes_back(make: Callable[[], Any]) -> None:
    """In each of the turns that it takes to arrive."""
    for turns in range(4):
        lock = make()
        lock.acquire()

        async def acquire(lock: Any) -> None:
            with await gen.with_timeout(timedelta(seconds=3600), lock.acquire()):
                await asyncio.Event().wait()

        task = asyncio.create_task(acquire(lock))
        await asyncio.sleep(0)
        lock.release()
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert lock.acquire().done()


@each
async def test_plain_with_is_refused(make: Callable[[], Any]) -> None:
    lock = make()
    message = f"`async with` instead of `with` for {make.__name__}"
    with pytest.raises(RuntimeError, match=message), lock:
        pass
    assert lock.acquire().done()


async def test_a_dropped_lock_needs_no_garbage_collection() -> None:
    gc.disable()
    try:
        for make in (*SEMAPHORES, Condition, Event):
            made = make()
            if make in SEMAPHORES:
                async with made:
                    waiting = asyncio.ensure_future(made.acquire(timedelta(seconds=3600)))
                with await waiting:
                    pass
                del waiting
            dropped = weakref.ref(made)
            del made
            assert dropped() is None
    finally:
        gc.enable()


def test_limits_of_semaphores() -> None:
    with pytest.raises(ValueError, match=">= 0, not -1"):
        Semaphore(-1)
    with pytest.raises(ValueError, match="released too many times"):
        BoundedSemaphore(2).release()
    with pytest.raises(RuntimeError, match="release unlocked lock"):
        Lock().release()


async def test_a_plain_semaphore_grows_with_releases() -> None:
    semaphore = Semaphore(0)
    semaphore.release()
    semaphore.release()
    assert "unlocked,value:2" in repr(semaphore)
    assert semaphore.acquire().done()
    assert semaphore.acquire().done()
    assert not semaphore.acquire().done()
    assert "locked,waiters:1" in repr(semaphore)


# -- conditions --------------------------------------------------------------------------


@pytest.mark.feature("A08")
async def test_a_condition_wakes_as_many_as_are_notified() -> None:
    condition = Condition()
    waits = [asyncio.ensure_future(condition.wait()) for _ in range(5)]
    assert repr(condition) == "<Condition waiters[5]>"
    condition.notify()
    condition.notify(2)
    assert [wait.done() for wait in waits] == [True, True, True, False, False]
    condition.notify_all()
    assert await asyncio.gather(*waits) == [True] * 5
    condition.notify()
    assert not condition.wait().done()


@pytest.mark.feature("A08")
@over
async def test_a_condition_is_false_after_the_timeout(timeout: float | timedelta) -> None:
    condition = Condition()
    last = condition.wait()
    assert await condition.wait(timeout) is False
    condition.notify()
    assert await last is True


@pytest.mark.parametrize("came_before", [True, False])
async def test_a_notification_goes_on_to_one_who_waited_then(came_before: bool) -> None:
    condition = Condition()

    async def wait() -> bool:
        return await condition.wait()

    first = asyncio.create_task(wait())
    await asyncio.sleep(0)
    second = condition.wait() if came_before else None
    condition.notify()
    first.cancel()
    if second is None:
        second = condition.wait()
    await asyncio.wait([first])
    assert second.done() == came_before


# -- events ------------------------------------------------------------------------------


@pytest.mark.feature("A08")
async def test_an_event_wakes_all_and_lets_pass_until_it_is_cleared() -> None:
    event = Event()
    assert repr(event) == "<Event clear>"
    waits = [event.wait(), event.wait(timedelta(seconds=3600))]
    event.set()
    assert event.is_set()
    assert repr(event) == "<Event set>"
    assert await asyncio.gather(*waits, event.wait(0)) == [None] * 3
    event.clear()
    assert not event.wait().done()


@pytest.mark.feature("A08")
@over
async def test_an_event_that_is_not_set_in_time_is_an_error(timeout: float | timedelta) -> None:
    event = Event()
    with pytest.raises(TimeoutError, match="the event was not set in time"):
        await event.wait(timeout)
    event.set()
    await event.wait(timeout)
