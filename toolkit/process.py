"""Several processes: forked workers that are restarted, and subprocesses with streams."""

import os
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from subprocess import CalledProcessError
from types import FrameType
from typing import Any, NoReturn

from toolkit.concurrent import Future
from toolkit.ioloop import IOLoop
from toolkit.iostream import PipeIOStream
from toolkit.log import gen_log

__all__ = ["CalledProcessError", "Subprocess", "cpu_count", "fork_processes", "task_id"]

#: Restarts of all workers together, where the caller does not say how many.
DEFAULT_MAX_RESTARTS = 100
#: Seconds that workers get to end after Ctrl-C, which the terminal sends to them too.
INTERRUPT_GRACE = 5.0

_task_id: int | None = None


def cpu_count() -> int:
    """Return how many processors this process may use, 1 or more."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def task_id() -> int | None:
    """Return the number of this worker, as `fork_processes` did; None outside of a worker."""
    return _task_id


# -- forked workers ----------------------------------------------------------------------


def fork_processes(num_processes: int | None, max_restarts: int | None = None) -> int:
    """Fork worker processes, and return in each of them its number, counted from 0.

    The parent never returns: it restarts workers that end with a signal or an exit status
    other than 0, under their old number, and exits with 0 when all have ended with 0. On
    SIGTERM and SIGINT, unless the program handles these itself, it ends the workers first.

    No event loop may have been made before.

    Args:
        num_processes: None or 0 for one per processor.
        max_restarts: of all workers together; 100 when None.
    Raises:
        RuntimeError: there is a loop already, or this is a worker, or the platform cannot
            fork; in the parent, when there were too many restarts and the rest was ended.
    """
    global _task_id
    if not hasattr(os, "fork"):
        raise RuntimeError(f"fork_processes: the platform {sys.platform!r} cannot fork")
    if _task_id is not None:
        raise RuntimeError(f"fork_processes: this is worker {_task_id} already")
    if IOLoop.current(instance=False) is not None:
        raise RuntimeError("fork_processes: there is an event loop already; fork before making it")
    if num_processes is None or num_processes <= 0:
        num_processes = cpu_count()
    gen_log.info("Starting %d processes", num_processes)
    workers = _Workers(DEFAULT_MAX_RESTARTS if max_restarts is None else max_restarts)
    try:
        number = workers.fork(list(range(num_processes)))
        while number is None and workers.running:
            number = workers.fork(workers.reap())
    except BaseException:
        # What was forked must not stay behind, as when a handler of the program's own raises.
        workers.give_up()
        raise
    if number is None:
        workers.finish()
    _task_id = number
    return number


class _Workers:
    """The workers, as the parent sees them."""

    def __init__(self, max_restarts: int) -> None:
        self._parent = os.getpid()
        self.running: dict[int, int] = {}  # process id → number of the worker
        self._max_restarts = max_restarts
        self._restarts = 0
        self._ended_by: int | None = None  # the signal that ends it all
        self._failed = False
        self._timer: threading.Timer | None = None
        self._handlers: dict[int, Any] = {}
        if threading.current_thread() is threading.main_thread():
            for number, usual in _ENDING.items():
                if signal.getsignal(number) is usual:
                    self._handlers[number] = usual
                    signal.signal(number, self._end)

    def fork(self, numbers: list[int]) -> int | None:
        """Start workers; return in each of them its number, in the parent None."""
        for number in numbers:
            if self._ended_by is not None:
                break
            # A signal must find the new process in the list, or its own handlers in place;
            # be it a handler of the program's that raises.
            with _blocked(_ENDING):
                # What is in the buffers would be written twice.
                _flush()
                pid = os.fork()
                if pid == 0:
                    self._restore_handlers()
                    return number
                self.running[pid] = number
        return None

    def reap(self) -> list[int]:
        """Wait until a process ends; return the numbers of the workers to start again."""
        pid, status = os.wait()
        number = self.running.pop(pid, None)
        if number is None:
            return []
        code = os.waitstatus_to_exitcode(status)
        if code == 0:
            gen_log.info("child %d (pid %d) exited normally", number, pid)
            return []
        how = f"killed by signal {-code}" if code < 0 else f"exited with status {code}"
        if self._failed or self._ended_by is not None:
            gen_log.info("child %d (pid %d) %s", number, pid, how)
            return []
        if self._restarts >= self._max_restarts:
            gen_log.warning("child %d (pid %d) %s", number, pid, how)
            self._failed = True
            self._signal_all(signal.SIGTERM)
            return []
        gen_log.warning("child %d (pid %d) %s, restarting", number, pid, how)
        self._restarts += 1
        return [number]

    def finish(self) -> NoReturn:
        """End the parent, when there are no workers any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._restore_handlers()
        if self._failed:
            raise RuntimeError(f"Too many child restarts, giving up after {self._restarts}")
        if self._ended_by is None:
            sys.exit(0)
        # It ends as it would have without a handler: killed, or by KeyboardInterrupt.
        signal.raise_signal(self._ended_by)
        # The first process of a container is not killed by that.
        sys.exit(128 + self._ended_by)

    def give_up(self) -> None:
        """End the workers without waiting for them; nothing in a worker itself."""
        if os.getpid() == self._parent:
            self._signal_all(signal.SIGTERM)
            self._restore_handlers()

    def _end(self, number: int, _frame: FrameType | None) -> None:
        """Pass a signal on to the workers."""
        again = self._ended_by is not None
        self._ended_by = self._ended_by or number
        if number == signal.SIGINT and not again:
            # From a terminal the workers have it too, and may need a while.
            self._timer = threading.Timer(INTERRUPT_GRACE, self._signal_all, [signal.SIGTERM])
            self._timer.daemon = True
            self._timer.start()
        else:
            self._signal_all(signal.SIGTERM)

    def _signal_all(self, number: int) -> None:
        for pid in list(self.running):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def _restore_handlers(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)


#: Signals that end a program, and what Python does on them unless told otherwise.
_ENDING: dict[int, Any] = {
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGINT: signal.default_int_handler,
}


@contextmanager
def _blocked(numbers: Iterable[int]) -> Iterator[None]:
    """Hold signals back until the end of the block, in the parent and in the child."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _flush() -> None:
    for file in (sys.stdout, sys.stderr):
        if file is not None:
            file.flush()


# -- subprocesses ------------------------------------------------------------------------


class Subprocess:
    """A `subprocess.Popen` whose pipes can be streams, and whose end can be awaited.

    Example::

        child = Subprocess(["sort"], stdin=Subprocess.STREAM, stdout=Subprocess.STREAM)
        await child.stdin.write(b"b\\na\\n")
        child.stdin.close()
        print(await child.stdout.read_until_close())
        await child.wait_for_exit()

    Args:
        args: as those of `subprocess.Popen`, as are the keyword arguments. For ``stdin``,
            ``stdout`` and ``stderr`` there is `Subprocess.STREAM` too.

    Attributes:
        pid: process id.
        returncode: exit status, negative for a signal; None until the end has been seen.
        stdin, stdout, stderr: a `PipeIOStream` where STREAM was given, else what Popen has.
        proc: the Popen object.
    """

    #: Asks for a `PipeIOStream`.
    STREAM = object()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.io_loop = IOLoop.current()
        ours: dict[str, int] = {}  # our end of each pipe
        theirs: list[int] = []
        try:
            for name in ("stdin", "stdout", "stderr"):
                if kwargs.get(name) is Subprocess.STREAM:
                    reads, writes = os.pipe()
                    ours[name], given = (writes, reads) if name == "stdin" else (reads, writes)
                    theirs.append(given)
                    kwargs[name] = given
            self.proc: subprocess.Popen[Any] = subprocess.Popen(*args, **kwargs)
        except BaseException:
            for fd in ours.values():
                os.close(fd)
            raise
        finally:
            for fd in theirs:
                os.close(fd)
        self.pid = self.proc.pid
        self.returncode: int | None = None
        streams = {name: PipeIOStream(fd) for name, fd in ours.items()}
        self.stdin: Any = streams.get("stdin", self.proc.stdin)
        self.stdout: Any = streams.get("stdout", self.proc.stdout)
        self.stderr: Any = streams.get("stderr", self.proc.stderr)
        self._callback: Callable[[int], None] | None = None
        self._waiters: list[tuple[Future[int], bool]] = []
        self._watched = False

    def set_exit_callback(self, callback: Callable[[int], None]) -> None:
        """Have the loop call back with the exit status, once; this replaces an earlier callback."""
        self._callback = callback
        self._watch()

    def wait_for_exit(self, raise_error: bool = True) -> "Future[int]":
        """Return a future of the exit status.

        Args:
            raise_error: whether a status other than 0 is a CalledProcessError.
        """
        waiter: Future[int] = self.io_loop.asyncio_loop.create_future()
        self._waiters.append((waiter, raise_error))
        self._watch()
        return waiter

    @classmethod
    def initialize(cls) -> None:
        """Prepare to see processes end: there is nothing to prepare.

        The method is there for programs that call it. No handler of SIGCHLD is needed, and
        the program may have its own.
        """

    @classmethod
    def uninitialize(cls) -> None:
        """Undo `initialize`: there is nothing to undo."""

    def _watch(self) -> None:
        """See to it that `_ended` is called, in the next turn of the loop or later."""
        if self._watched:
            return
        self._watched = True
        if self.proc.poll() is not None:
            self.io_loop.add_callback(self._ended)
        elif not self._watch_descriptor():
            threading.Thread(target=self._watch_in_a_thread, daemon=True).start()

    def _watch_descriptor(self) -> bool:
        """Have the loop watch the process as a file; False where that cannot be done."""
        loop = self.io_loop.asyncio_loop
        try:
            fd = os.pidfd_open(self.pid)
        except (AttributeError, OSError):
            return False
        # The loop keeps this object while it watches; without the loop both go.
        close = weakref.finalize(self, os.close, fd)

        def readable() -> None:
            loop.remove_reader(fd)
            close()
            self._ended()

        try:
            loop.add_reader(fd, readable)
        except NotImplementedError:
            close()
            return False
        return True

    def _watch_in_a_thread(self) -> None:
        self.proc.wait()
        self.io_loop.add_callback(self._ended)

    def _ended(self) -> None:
        """Take the exit status from the system and tell those who wait."""
        self._watched = False
        status = self.returncode = self.proc.wait()
        waiters, self._waiters = self._waiters, []
        for waiter, raise_error in waiters:
            if waiter.done():
                continue
            if raise_error and status != 0:
                waiter.set_exception(CalledProcessError(status, self.proc.args))
            else:
                waiter.set_result(status)
        callback, self._callback = self._callback, None
        if callback is not None:
            self.io_loop.add_callback(callback, status)
