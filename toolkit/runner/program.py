"""`run`: an application in this process, or under a supervisor."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from toolkit.httpserver import HTTPServer
from toolkit.log import gen_log
from toolkit.netutil import bind_sockets
from toolkit.runner.errors import RunnerError
from toolkit.runner.health import Probes
from toolkit.runner.listening import Listening
from toolkit.runner.logs import access_format, set_up_logging
from toolkit.runner.main_process import main_function, main_process
from toolkit.runner.notify import Notifier
from toolkit.runner.settings import Settings
from toolkit.runner.supervisor import Supervisor
from toolkit.runner.watching import changes
from toolkit.runner.worker import PULSE, Worker, run_loop


def run(settings: Settings, application: Any = None) -> int:
    """Serve an application until a signal ends it; return the exit status of the program.

    Args:
        application: that which the settings name unless given; for one process alone.
    Raises:
        RunnerError: it cannot begin.
    """
    set_up_logging(settings)
    _try_server(settings)
    if application is None and settings.supervised:
        return _supervise(settings)
    return _serve_alone(settings, application)


def check(settings: Settings) -> None:
    """Import the application and look at the settings, but serve nothing.

    Raises:
        RunnerError: something is wrong.
    """
    _try_server(settings)
    main_function(settings)
    Worker(settings, ())


def _try_server(settings: Settings) -> None:
    """Find out what is wrong with certificates and options of the server, before any worker does.

    Raises:
        RunnerError: something is.
    """
    try:
        certificates = settings.certificates()
        HTTPServer(
            _nothing,
            ssl_options=certificates,
            access_log=access_format(settings),
            **settings.server,
        )
    except (OSError, TypeError, ValueError) as error:
        notes = getattr(error, "__notes__", [])
        reason = "; ".join([str(error), *notes])
        what = "certificate: " if isinstance(error, OSError) else ""
        raise RunnerError(f"{what}{' '.join(reason.split())}") from error
    _admin_address(settings.admin)


def _nothing(_request: object) -> None:
    """Stand for an application."""


# -- without workers ---------------------------------------------------------------------


class _Manager:
    """The service manager, as the overseer of the one process that there is."""

    def __init__(self, notifier: Notifier, names: Sequence[str]) -> None:
        self._notifier = notifier
        self._names = names

    def ready(self) -> None:
        """Tell that connections are accepted."""
        for name in self._names:
            gen_log.info("Serving on %s", name)
        self._notifier.ready()

    def alive(self, missing: Sequence[str], used_up: str) -> None:
        """Give a sign of life."""
        self._notifier.alive()

    def stopping(self) -> None:
        """Tell that the end has begun."""
        gen_log.info("Ending")
        self._notifier.stopping()


def _serve_alone(settings: Settings, application: Any) -> int:
    notifier = Notifier()
    with contextlib.closing(Listening(settings, 0)) as listening:
        worker = Worker(settings, listening.sockets(()), application)
        interval = min(PULSE, notifier.interval) if notifier.interval else PULSE

        async def main() -> int:
            async with _admin(settings, worker.health.missing):
                await worker.serve(_Manager(notifier, listening.names), interval)
            return 0

        return run_loop(main, settings.uvloop)


# -- with workers ------------------------------------------------------------------------


def _supervise(settings: Settings) -> int:
    notifier = Notifier()

    async def main() -> int:
        async with main_process(settings) as process:
            with contextlib.closing(Listening(settings, max(settings.workers, 1))) as listening:
                supervisor = Supervisor(settings, listening, notifier, process.tell)
                async with _admin(settings, supervisor.missing), _reloading(settings, supervisor):
                    return await supervisor.serve()

    # It does little, and has to be there when all else fails.
    return run_loop(main, uvloop=False)


@contextlib.asynccontextmanager
async def _reloading(settings: Settings, supervisor: Supervisor) -> AsyncIterator[None]:
    """Replace the workers whenever a source file changes."""
    if not settings.reload:
        yield
        return

    async def watch() -> None:
        directories = settings.reload_dirs or (settings.app_dir or ".",)
        async for path in changes(directories, settings.reload_patterns):
            gen_log.info("%s has changed", path)
            supervisor.reload()

    task = asyncio.ensure_future(watch())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


# -- the address for those who look after it ---------------------------------------------


def _admin_address(text: str) -> tuple[str, int] | None:
    """Return host and port; None for none.

    Raises:
        RunnerError: the text is something else.
    """
    if not text:
        return None
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise RunnerError(f"admin address {text!r}; host:port or :port is allowed")
    return host.strip("[]") or "127.0.0.1", int(port)


@contextlib.asynccontextmanager
async def _admin(settings: Settings, missing: Callable[[], Sequence[str]]) -> AsyncIterator[None]:
    """Answer the probes on an address of their own."""
    address = _admin_address(settings.admin)
    if address is None:
        yield
        return
    try:
        sockets = bind_sockets(address[1], address[0])
    except OSError as error:
        raise RunnerError(f"cannot listen on {settings.admin}: {error.strerror}") from error
    server = HTTPServer(Probes(missing))
    server.add_sockets(sockets)
    gen_log.info("Probes on http://%s:%d", address[0], sockets[0].getsockname()[1])
    try:
        yield
    finally:
        await server.shutdown(0)
