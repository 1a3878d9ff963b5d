"""Whether an application lives and is ready: ``/livez``, ``/readyz`` and checks of its own."""

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from toolkit.http1connection import Exchange
from toolkit.httpserver import as_application
from toolkit.httputil import date_now
from toolkit.runner.errors import RunnerError
from toolkit.runner.targets import load
from toolkit.wire.events import ResponseHead

#: Seconds that a check may take.
CHECK_TIMEOUT = 5.0

Check = Callable[[], Any]


class Health:
    """Whether a process is ready.

    Args:
        checks: by name; each returns what is false, None apart, or raises, where something is
            missing. It may be a coroutine function.

    Attributes:
        phase: ``"starting"``, ``"draining"``, or "" in between.
        failed: what is missing, a line each.
    """

    def __init__(self, checks: dict[str, Check] | None = None) -> None:
        self._checks = checks or {}
        self.phase = "starting"
        self.failed: list[str] = []

    async def look(self) -> None:
        """Run all checks."""
        found = await asyncio.gather(*(_reason(*item) for item in self._checks.items()))
        self.failed = [reason for reason in found if reason]

    def missing(self) -> list[str]:
        """Return why the process is not ready; nothing where it is."""
        return [self.phase] if self.phase else self.failed


async def _reason(name: str, check: Check) -> str:
    """Return why a check has failed; "" where it has not."""
    try:
        async with asyncio.timeout(CHECK_TIMEOUT):
            result = check()
            if inspect.isawaitable(result):
                result = await result
    except TimeoutError:
        return f"{name}: no answer within {CHECK_TIMEOUT:g} seconds"
    except Exception as error:
        return " ".join(f"{name}: {type(error).__name__}: {error}".split())[:200]
    return "" if result is None or result else f"{name}: {result!r:.100}"


def checks_of(names: Sequence[str], app_dir: str) -> dict[str, Check]:
    """Return the checks that are named as ``module:function``.

    Raises:
        RunnerError: one is not there, or no function.
    """
    checks = {}
    for name in names:
        check = load(name, app_dir)
        if not callable(check):
            raise RunnerError(f"check {name!r} is a {type(check).__name__}, and no function")
        checks[name.rpartition(":")[2]] = check
    return checks


# -- over HTTP ---------------------------------------------------------------------------


class Probes:
    """Answers ``/livez`` and ``/readyz``; everything else is the application's, if there is one.

    A process that answers lives. Not to be ready is 503, with the reasons.

    Args:
        missing: returns why it is not ready.
    """

    answers_errors = True

    def __init__(self, missing: Callable[[], Sequence[str]], application: Any = None) -> None:
        self._answers: dict[str, Callable[[], Sequence[str]]] = {
            "/livez": tuple,
            "/readyz": missing,
        }
        self._handle = _not_found if application is None else as_application(application, self)

    def handle_exchange(self, exchange: Exchange) -> Coroutine[Any, Any, None]:
        """Return the coroutine that answers one request; called by the server."""
        missing = self._answers.get(exchange.head.target.partition("?")[0])
        return self._handle(exchange) if missing is None else _tell(exchange, missing())


async def _tell(exchange: Exchange, missing: Sequence[str]) -> None:
    _respond(exchange, 503 if missing else 200, "\n".join(missing or ["ok"]))


async def _not_found(exchange: Exchange) -> None:
    _respond(exchange, 404, "/livez and /readyz are here")


def _respond(exchange: Exchange, status: int, text: str) -> None:
    fields = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Cache-Control", "no-store"),
        ("Date", date_now()),
    ]
    exchange.respond(ResponseHead(status, fields), f"{text}\n".encode())


class Counted:
    """Counts the requests of an application.

    Attributes:
        count: how many there were.
    """

    answers_errors = True

    def __init__(self, application: Any) -> None:
        self._handle = as_application(application, self)
        self.count = 0

    def handle_exchange(self, exchange: Exchange) -> Coroutine[Any, Any, None]:
        """Return the coroutine that answers one request; called by the server."""
        self.count += 1
        return self._handle(exchange)
