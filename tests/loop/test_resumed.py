"""Tasks whose coroutine goes on in place are cancelled as others are."""

import asyncio

import pytest

from toolkit.concurrent import Resumable, create_resumed_task


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
