"""`Watchdog`: names what blocks the event loop, while it does.

A thread asks the loop for a sign of life, again and again. A loop that waits in its selector
answers at once, one that runs a callback when the callback has returned. Where the answer
takes longer than the threshold, the thread looks at the stack of the loop's thread and logs it.
The callbacks themselves cost nothing more.
"""

import asyncio
import dataclasses
import sys
import threading
import time
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Any, ClassVar, Self

from toolkit.log import gen_log

#: Frames of a stack that are logged, those nearest to the line that blocks.
FRAMES_LOGGED = 30


@dataclasses.dataclass(frozen=True)
class Blocking:
    """What blocks a loop at this moment.

    Attributes:
        seconds: for how long, at least.
        task: the task that runs, None in a plain callback.
        frames: those of the callback or task, its entry first and the line that blocks last.
            They are alive: look, and keep none.
    """

    seconds: float
    task: "asyncio.Task[Any] | None"
    frames: list[FrameType]


class Watchdog:
    """Logs what blocks an event loop for longer than a threshold.

    The first record comes while the loop is blocked, so that one which never ends is seen
    too, with the task or callback, the line and the stack. The second comes when the loop
    goes on and says how long it took. Both are warnings of the logger ``toolkit.general``,
    with the attributes

    - ``blocked``: seconds;
    - ``task``: name of the task, None in a plain callback;
    - ``callback``: what the loop had called, as ``module.function``;
    - ``source``: ``file:line`` that blocks;
    - ``ended``: False in the first, True in the second.

    What blocks for less than the threshold is never reported, what blocks for one and a half
    of it always. A block by native code that holds the interpreter is reported when it ends.
    A loop that waits for sockets or timers is not blocked, nor one that does not run, nor the
    whole process while it was stopped or suspended. A second record alone, with no callback,
    says that the loop was late and nobody was seen: too many callbacks in a turn, or one that
    is native code without a Python frame.

    The thread asks twice in each threshold; it ends with `stop`, or soon after the loop is closed.

    Example::

        async def main():
            with Watchdog(threshold=0.05):
                await serve()

    Args:
        threshold: seconds.
        loop: the asyncio loop; without one that which runs at the start.
    Raises:
        ValueError: `threshold` is not above 0.
    """

    #: Each is asked to name what blocks; the first text is logged with the record. With these
    #: higher floors tell which request it is. They run in the thread of the watchdog.
    describers: ClassVar[list[Callable[[Blocking], str | None]]] = []

    def __init__(
        self, threshold: float = 0.1, *, loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        if not threshold > 0:
            raise ValueError(f"threshold must be above 0 seconds, not {threshold!r}")
        self.threshold = threshold
        self._loop = loop
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        # Written by the loop:
        self._answered: float | None = None
        self._loop_thread: int | None = None
        self._depth: int | None = None
        # Of the thread: how long the answer takes, and what was reported of it.
        self._delay: Delay | None = None
        self._reported: dict[str, Any] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to watch. Does nothing while it watches already.

        Raises:
            RuntimeError: no loop was given and none runs, or it is closed.
        """
        if self._thread is not None and self._thread.is_alive():
            return
        running = asyncio._get_running_loop()
        loop = self._loop or asyncio.get_running_loop()
        self._stopping.clear()
        self._loop_thread = threading.get_ident() if loop is running else None
        self._depth = None
        # Before anything that is put off from now on, so that its frames can be told.
        loop.call_soon_threadsafe(self._answer)
        self._thread = threading.Thread(
            target=self._watch, args=(loop,), name="watchdog", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Watch no more, and wait for the thread to end. Stopped already is no error."""
        thread, self._thread = self._thread, None
        self._stopping.set()
        if thread is not None:
            thread.join()

    # -- in the loop ---------------------------------------------------------------------

    def _answer(self) -> None:
        self._answered = time.monotonic()
        self._loop_thread = threading.get_ident()
        # Whatever the loop calls lies as deep as this; what is above belongs to the loop.
        self._depth = sum(1 for _ in traceback.walk_stack(sys._getframe(1)))

    # -- in the thread -------------------------------------------------------------------

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        pace = self.threshold / 2
        due = now = time.monotonic()
        before = cpu = time.process_time()
        while not loop.is_closed():
            if self._delay is not None:
                self._look(loop, self._delay, now, cpu)
            if self._delay is None and loop.is_running():
                # Where this thread could not run for long, native code held the interpreter,
                # and who called it can be seen now and no later.
                self._answered = None
                self._delay = Delay(min(due, now), before, self.threshold)
                self._look(loop, self._delay, now, cpu)
                self._ask(loop)
            due, before = now + pace, cpu
            stopped = self._stopping.wait(pace)
            now, cpu = time.monotonic(), time.process_time()
            if stopped:
                break
        if self._delay is not None and self._reported is not None:
            _log_end(self._delay.until(now, cpu), self._reported)
        self._delay = self._reported = None

    def _ask(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            loop.call_soon_threadsafe(self._answer)
        except RuntimeError:
            self._answered = time.monotonic()  # closed just now

    def _look(
        self, loop: asyncio.AbstractEventLoop, delay: "Delay", now: float, cpu: float
    ) -> None:
        """Report that the answer takes too long, and when it came."""
        answered = self._answered
        seconds = delay.until(answered or now, cpu)
        if answered is None and loop.is_running():
            if self._reported is None and seconds >= self.threshold:
                self._reported = self._report(loop, seconds)
            return
        if self._reported is not None:
            _log_end(seconds, self._reported)
        elif answered is not None and seconds >= self.threshold:
            _log_end(seconds, {"task": None, "callback": None, "source": None})
        self._delay = self._reported = None

    def _report(self, loop: asyncio.AbstractEventLoop, seconds: float) -> dict[str, Any] | None:
        """Log what blocks the loop; return what was found, None if nothing was."""
        task = _current_task(loop)
        frames = self._frames(task)
        if not frames:
            return None
        entry, last = frames[0], frames[-1]
        found = {
            "task": task.get_name() if task is not None else None,
            "callback": f"{entry.f_globals.get('__name__')}.{entry.f_code.co_qualname}",
            "source": f"{last.f_code.co_filename}:{last.f_lineno}",
        }
        stack = traceback.StackSummary.extract(
            (frame, frame.f_lineno) for frame in frames[-FRAMES_LOGGED:]
        )
        gen_log.warning(
            "Event loop blocked for %.0f ms so far by %s at %s\n%s",
            seconds * 1000,
            _names(found, self._describe(Blocking(seconds, task, frames))),
            found["source"],
            "".join(stack.format()).rstrip(),
            extra={"blocked": seconds, "ended": False, **found},
        )
        return found

    def _frames(self, task: "asyncio.Task[Any] | None") -> list[FrameType]:
        """Return the frames of the callback that runs, its entry first."""
        frame = sys._current_frames().get(self._loop_thread or 0)
        frames = [frame for frame, _ in traceback.walk_stack(frame)] if frame else []
        frames.reverse()
        if self._depth is not None:
            del frames[: self._depth]
        elif task is not None:
            # It was blocked from the start on, and did not show yet how deep its calls lie.
            root = getattr(task.get_coro(), "cr_frame", None)
            del frames[: frames.index(root) if root in frames else 0]
        # The wrapper that logs errors of callbacks is not the callback.
        while frames and frames[0].f_globals.get("__name__") in _WRAPPERS:
            del frames[0]
        return frames

    def _describe(self, blocking: Blocking) -> str | None:
        for describe in self.describers:
            try:
                text = describe(blocking)
            except Exception:
                gen_log.error("Exception in describer %r", describe, exc_info=True)
            else:
                if text:
                    return text
        return None


#: Modules whose frames stand between the loop and the callbacks of users.
_WRAPPERS = frozenset(f"toolkit.ioloop.{room}" for room in ("handlers", "loop", "periodic", "run"))


class Delay:
    """How long an answer takes, less the time in which the whole process stood still.

    Args:
        asked: when the question was due, by a monotonic clock.
        cpu: seconds of processor time that the process had used then.
        limit: seconds; longer without a look, and without work, is a standstill.
    """

    def __init__(self, asked: float, cpu: float, limit: float) -> None:
        self._asked = self._looked = asked
        self._cpu = cpu
        self._limit = limit

    def until(self, now: float, cpu: float) -> float:
        """Look again; return for how many seconds it has taken."""
        gap = now - self._looked
        # The process was stopped, or the machine suspended or busy with others: the watcher
        # did not come to look, and nobody worked. Native code that kept it away did work.
        if gap > self._limit and cpu - self._cpu < gap / 10:
            self._asked += gap
        self._looked, self._cpu = now, cpu
        return now - self._asked


def _names(found: dict[str, Any], described: str | None) -> str:
    """Return in words who blocks."""
    who = f"task {found['task']!r}, {found['callback']}" if found["task"] else found["callback"]
    return f"{described} ({who})" if described else str(who)


def _log_end(seconds: float, found: dict[str, Any]) -> None:
    gen_log.warning(
        "Event loop was blocked for %.0f ms by %s",
        seconds * 1000,
        _names(found, None) if found["callback"] else "what nobody saw, or many callbacks",
        extra={"blocked": seconds, "ended": True, **found},
    )


def _current_task(loop: asyncio.AbstractEventLoop) -> "asyncio.Task[Any] | None":
    """Return the task that runs on a loop of another thread."""
    try:
        return asyncio.current_task(loop)
    except RuntimeError:
        return None
