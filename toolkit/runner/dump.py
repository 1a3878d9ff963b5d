"""A report of what a process is doing: requests under way, and tasks with their stacks."""

import asyncio
import time
import traceback
from collections.abc import Iterable, Iterator
from types import FrameType

from toolkit.http1connection import Exchange

#: Frames of a stack that are shown, those nearest to where it waits.
FRAMES = 20
#: Where coroutines, generators and asynchronous ones have their frame, and what they wait for.
_KINDS = (("cr_frame", "cr_await"), ("gi_frame", "gi_yieldfrom"), ("ag_frame", "ag_await"))


def report(exchanges: Iterable[Exchange]) -> str:
    """Return the requests under way and all tasks of the running loop as text."""
    requests = [_request(exchange) for exchange in exchanges]
    tasks = sorted(asyncio.all_tasks(), key=lambda task: task.get_name())
    lines = [f"{len(requests)} requests under way", *requests, f"{len(tasks)} tasks"]
    return "\n".join([*lines, *map(_task, tasks)])


def _request(exchange: Exchange) -> str:
    head, context = exchange.head, exchange.context
    parts = [f"  {head.method} {head.target:.200} from {context.remote_ip or 'a Unix socket'}"]
    if exchange.received_at:
        parts.append(f"for {time.monotonic() - exchange.received_at:.3f} s")
    parts.append(f"status {exchange.status}" if exchange.status else "not answered yet")
    return ", ".join(parts)


def _task(task: "asyncio.Task[object]") -> str:
    summary = traceback.StackSummary.extract(_frames(task.get_coro()), limit=-FRAMES)
    return "".join([f"  {task.get_name()}\n", *summary.format()]).rstrip()


def _frames(awaited: object) -> Iterator[tuple[FrameType, int]]:
    """Yield the frames of what waits, the outermost first; asyncio shows just that one."""
    while awaited is not None:
        kind = next((kind for kind in _KINDS if hasattr(awaited, kind[0])), None)
        if kind is None:
            return
        frame = getattr(awaited, kind[0])
        if frame is not None:
            yield frame, frame.f_lineno
        awaited = getattr(awaited, kind[1])
