"""A report of what a process is doing: requests under way, and tasks with their stacks."""

import asyncio
import io
import time
from collections.abc import Iterable

from toolkit.http1connection import Exchange

#: Frames of a stack that are shown, those nearest to where it waits.
FRAMES = 20


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
    text = io.StringIO()
    task.print_stack(limit=FRAMES, file=text)
    return text.getvalue().rstrip()
