"""Tasks whose coroutine goes on in place are cancelled as others are."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from toolkit.concurrent import InPlaceRunner, Resumable, create_resumed_task

Start = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]


class Item(Resumable[str]):
    """Counts how often its result comes back."""

    __slots__ = ("back",)

    back: int

    def give_back(self) -> None:
        if self.done() and not self.cancelled():
            self.back += 1


def item() -> Item:
    """Return one that nobody waits for yet."""
    future = Item(loop=asyncio.get_running_loop())
    future.driver, future.back = None, 0
    return future


def resumed(coroutine: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
    return create_resumed_task(asyncio.get_running_loop(), coroutine, lambda _: None)


def in_place(coroutine: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
    runner = InPlaceRunner(asyncio.get_running_loop(), lambda: None)
    runner.run(coroutine)
    assert runner.task is not None
    return runner.task


async def test_the_message_of_a_cancellation_arrives() -> None:
    seen: list[BaseException] = []
    loop = asyncio.get_running_loop()
    future: Resumable[None] = Resumable(loop=loop)
    future.driver = None

    async def wait() -> None:
        try:
            await future
        except asyncio.CancelledError as error:
            seen.append(error)
            raise

    task = create_resumed_task(loop, wait(), lambda _: None)
    await asyncio.sleep(0)
    task.cancel("enough")
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen[0].args == ("enough",)
    assert future.cancelled()


@pytest.mark.parametrize("start", [asyncio.create_task, resumed, in_place])
async def test_a_result_that_is_not_taken_goes_back_once(start: Start) -> None:
    future, taken = item(), []

    async def take() -> None:
        taken.append(await future)

    task = start(take())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    future.set_result("an item")  # in a task, so that it is for the next turn of the loop
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (taken, future.back) == ([], 1)


async def test_a_result_that_comes_before_the_task_of_a_first_step_goes_back_once() -> None:
    future, taken = item(), []

    async def take() -> None:
        taken.append(await future)

    task = in_place(take())
    future.set_result("an item")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (taken, future.back) == ([], 1)


@pytest.mark.parametrize("start", [asyncio.create_task, resumed, in_place])
async def test_a_result_that_is_taken_does_not_go_back(start: Start) -> None:
    future, taken = item(), []

    async def take() -> None:
        taken.append(await future)
        await asyncio.sleep(10)

    task = start(take())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    future.set_result("an item")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (taken, future.back) == (["an item"], 0)
