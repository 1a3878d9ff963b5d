"""`Worker`: serves an application in this process until it is told to end."""

import asyncio
import contextlib
import functools
import os
import random
import resource
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from pathlib import Path
from socket import socket
from typing import Any, Protocol, TypeVar

from toolkit.httpserver import HTTPServer, Lifespan, in_one_line, lifespan_of
from toolkit.ioloop import new_event_loop
from toolkit.log import app_log, gen_log
from toolkit.runner.dump import report
from toolkit.runner.errors import RunnerError
from toolkit.runner.health import Counted, Health, Probes, checks_of
from toolkit.runner.logs import access_format
from toolkit.runner.settings import Settings
from toolkit.runner.targets import application_of

#: Seconds between two signs of life, which come with the results of the checks.
PULSE = 1.0
#: Seconds that the lifespan of the application gets to end.
LIFESPAN_GRACE = 10.0
#: Seconds that threads get to end, such as those of a WSGI application.
EXIT_GRACE = 1.0

_T = TypeVar("_T")


class Overseer(Protocol):
    """Who is told how a worker is: a supervisor, or the service manager."""

    def ready(self) -> None:
        """Hear that connections are accepted."""

    def alive(self, missing: Sequence[str], used_up: str) -> None:
        """Hear a sign of life.

        Args:
            missing: why the worker is not ready.
            used_up: why it is to be replaced; "" where it is not.
        """

    def stopping(self) -> None:
        """Hear that the worker drains."""


class Worker:
    """Serves an application.

    Args:
        sockets: that listen; they are the worker's from now on.
        application: to serve; None for that which the settings name.
    Raises:
        RunnerError: there is no such application, or its settings are wrong.
    """

    def __init__(
        self, settings: Settings, sockets: Sequence[socket], application: Any = None
    ) -> None:
        self._settings = settings
        self._sockets = sockets
        if application is None:
            application = application_of(settings)
        self._life = lifespan_of(application) or Lifespan()
        self.health = Health(checks_of(settings.checks, settings.app_dir))
        self._counted: Counted | None = None
        if settings.recycle_requests:
            self._counted = application = Counted(application)
        if settings.probes:
            application = Probes(self.health.missing, application)
        self._application = application
        # Workers that began together must not all be replaced together.
        larger = 1 + random.random() * settings.recycle_jitter
        self._most_requests = int(settings.recycle_requests * larger)
        self._most_memory = int(settings.recycle_rss * larger)
        self._end = asyncio.Event()
        self._hurry = asyncio.Event()

    def end(self) -> None:
        """Drain and end; asked a second time, at once."""
        (self._hurry if self._end.is_set() else self._end).set()

    async def serve(self, overseer: Overseer, interval: float = PULSE) -> None:
        """Serve until `end` is called.

        Args:
            interval: seconds between two signs of life.
        Raises:
            RunnerError: it cannot begin.
        """
        try:
            certificates = self._settings.certificates()
            server = HTTPServer(
                self._application,
                ssl_options=certificates,
                access_log=access_format(self._settings),
                **self._settings.server,
            )
        except (OSError, TypeError, ValueError) as error:
            raise RunnerError(" ".join(str(error).split())) from error
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.end)
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            loop.add_signal_handler(signal.SIGINT, self.end)
        loop.add_signal_handler(signal.SIGUSR1, self._dump, server)
        async with alive(self._life, "the application", self._settings.debug):
            server.add_sockets(self._sockets)
            await server.started()
            self.health.phase = ""
            await self.health.look()
            overseer.ready()
            background = [loop.create_task(self._pulse(overseer, interval))]
            if certificates is not None:
                background.append(loop.create_task(certificates.watch()))
            try:
                await self._end.wait()
                self.health.phase = "draining"
                overseer.stopping()
                await self._drain(server)
            finally:
                for task in background:
                    task.cancel()
                await asyncio.wait(background)

    async def _drain(self, server: HTTPServer) -> None:
        """Let the requests under way end, within the time that they have."""
        if self._settings.drain_delay:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.drain_delay):
                    await self._hurry.wait()
        server.stop()
        closing = asyncio.ensure_future(
            server.close_all_connections(self._settings.graceful_timeout)
        )
        hurried = asyncio.ensure_future(self._hurry.wait())
        await asyncio.wait([closing, hurried], return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        if not closing.done():
            closing.cancel()
            await asyncio.wait([closing])
            await server.close_all_connections(0)

    async def _pulse(self, overseer: Overseer, interval: float) -> None:
        """Give signs of life, for as long as the loop is not stuck."""
        while True:
            overseer.alive(self.health.missing(), self._used_up())
            await asyncio.sleep(interval)
            await self.health.look()

    def _used_up(self) -> str:
        if self._counted is not None and self._counted.count >= self._most_requests:
            return f"{self._counted.count} requests"
        if self._most_memory and (used := resident()) > self._most_memory:
            return f"{used // 2**20} MiB of memory"
        return ""

    def _dump(self, server: HTTPServer) -> None:
        gen_log.warning("%s", report(server.exchanges))


@contextlib.asynccontextmanager
async def alive(life: Lifespan, whose: str, debug: bool) -> AsyncIterator[None]:
    """Hold a lifespan within the block.

    Args:
        whose: what could not start, where it cannot begin.
        debug: whether the traceback is logged then.
    Raises:
        RunnerError: it cannot begin.
    """
    try:
        await life.hold()
    except Exception as error:
        if debug:
            app_log.error("The lifespan raised", exc_info=True)
        raise RunnerError(f"{whose} could not start: {in_one_line(error)}") from error
    try:
        yield
    finally:
        try:
            async with asyncio.timeout(LIFESPAN_GRACE):
                await life.release()
        except TimeoutError:
            gen_log.error("The lifespan has not ended within %g seconds", LIFESPAN_GRACE)


def resident() -> int:
    """Return how many bytes of memory this process has; where that cannot be told, has had."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024
    return pages * resource.getpagesize()


def run_loop(main: Callable[[], Coroutine[Any, Any, _T]], uvloop: bool | None) -> _T:
    """Return what a coroutine function returns, run on a loop of its own.

    The process has to end soon after, as threads that never end would keep it.
    """
    with asyncio.Runner(loop_factory=functools.partial(new_event_loop, uvloop)) as runner:
        try:
            return runner.run(main())
        finally:
            timer = threading.Timer(EXIT_GRACE, os._exit, [0])
            timer.daemon = True
            timer.start()
