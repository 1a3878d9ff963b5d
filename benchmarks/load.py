"""Put a server under load with `wrk` or a program of our own, and read what they say of it."""

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.process import MeasureError, pinned

CONNECTIONS = 64
"""Enough to keep one server busy, few enough that none of them waits for its turn to connect."""

GRACE = 15.0
"""Seconds beyond its duration after which a load generator is taken to hang."""

_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_REQUESTS = re.compile(r"^\s*(\d+) requests in ", re.MULTILINE)
_RATE = re.compile(r"^Requests/sec:\s*([\d.]+)", re.MULTILINE)
_PERCENTILE = re.compile(r"^\s*(50|99)%\s+([\d.]+)(us|ms|s|m|h)\s*$", re.MULTILINE)
_SOCKET_ERRORS = re.compile(r"^\s*(Socket errors: .+?)\s*$", re.MULTILINE)
_WRONG_STATUS = re.compile(r"^\s*(Non-2xx or 3xx responses: \d+)\s*$", re.MULTILINE)


class LoadError(MeasureError):
    """A span of load that gives no figure, because answers or connections failed."""


LINE_LOAD = Path(__file__).resolve().parent / ".venv" / "bin" / "line-load"
"""The program that `setup.sh` makes of line_load.c; it says there what it does."""


@dataclass(frozen=True)
class Load:
    """What a load generator saw in one span.

    Attributes:
        requests: answers received.
        per_second: answers per second of wall-clock time.
        p50: median time of one answer, in seconds.
        p99: 99th percentile of the same.
    """

    requests: int
    per_second: float
    p50: float
    p99: float


def parse(output: str) -> Load:
    """Read the output of `wrk --latency`.

    Raises:
        LoadError: there were socket errors or wrong statuses, there was no answer at all, or
            the text is not wrk's.
    """
    failures = [
        match[1] for match in (_SOCKET_ERRORS.search(output), _WRONG_STATUS.search(output)) if match
    ]
    if failures:
        raise LoadError("; ".join(failures))
    requests = _REQUESTS.search(output)
    rate = _RATE.search(output)
    percentiles = {
        rank: float(number) * _SECONDS[unit] for rank, number, unit in _PERCENTILE.findall(output)
    }
    if not requests or not rate or percentiles.keys() != {"50", "99"}:
        raise LoadError(f"no figures in what wrk wrote: {output[:100]!r}")
    if int(requests[1]) == 0:
        raise LoadError("not one request was answered")
    return Load(int(requests[1]), float(rate[1]), percentiles["50"], percentiles["99"])


def run_wrk(
    url: str,
    seconds: int,
    core: int,
    script: Path | None = None,
    connections: int = CONNECTIONS,
    headers: Sequence[str] = (),
    arguments: Sequence[str] = (),
) -> Load:
    """Ask for `url` over and over for `seconds`, from `core`.

    Args:
        script: a Lua program that makes each request, if they are not all the same.
        headers: lines that each request has besides its own.
        arguments: of the script.

    Raises:
        LoadError: wrk failed, hung, or saw errors.
    """
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    for header in headers:
        command += ["-H", header]
    if script is not None:
        command += ["-s", str(script)]
    command.append(url)
    if arguments:
        command += ["--", *arguments]
    return parse(_run(command, seconds + GRACE, core))


def run_lines(
    port: int,
    core: int,
    *,
    seconds: float = 0,
    echoes: int = 0,
    connections: int = CONNECTIONS,
    per_connection: int = 0,
    burst: int = 1,
    timeout: float = GRACE,
    program: Path = LINE_LOAD,
) -> Load:
    """Ask for echoes of lines for `seconds`, or until `echoes` have come, from `core`.

    Args:
        per_connection: bursts after which a connection is closed and another one opened.
        burst: lines that a connection sends at once, before it waits for their echoes.
        timeout: seconds beyond `seconds` after which the program is taken to hang.

    Raises:
        LoadError: a connection failed, or an echo was wrong or did not come.
    """
    numbers = (port, connections, seconds, echoes, per_connection, burst)
    output = _run([str(program), *map(str, numbers)], seconds + timeout, core)
    seen = json.loads(output)
    if not seen["echoes"]:
        raise LoadError("not one line was echoed")
    return Load(seen["echoes"], seen["echoes"] / seen["seconds"], seen["p50"], seen["p99"])


WEBSOCKET_LOAD = LINE_LOAD.with_name("websocket-load")
"""The program that `setup.sh` makes of websocket_load.c; it says there what it does."""


def run_websockets(
    port: int,
    core: int,
    *,
    head: Path,
    frame: Path,
    size: int,
    seconds: float,
    connections: int,
    senders: int,
    program: Path = WEBSOCKET_LOAD,
) -> Load:
    """Have messages come back for `seconds`, from `core`.

    Args:
        head: file with the request that opens a WebSocket.
        frame: file with the frame that is sent.
        size: of the payload that has to come back; 0 for any.
        senders: connections that send: all of them, or one for all.

    Raises:
        LoadError: a connection failed, or an answer was wrong or did not come.
    """
    numbers = (port, connections, senders, seconds, head, frame, size)
    output = _run([str(program), *map(str, numbers)], seconds + 3 * GRACE, core)
    seen = json.loads(output)
    if not seen["messages"]:
        raise LoadError("not one message came back")
    return Load(seen["messages"], seen["messages"] / seen["seconds"], seen["p50"], seen["p99"])


DRIP_LOAD = LINE_LOAD.with_name("drip-load")
"""The program that `setup.sh` makes of drip_load.c; it says there what it does."""


def run_drips(
    drips: Mapping[int, bytes],
    core: int,
    *,
    interval: float,
    seconds: float,
    program: Path = DRIP_LOAD,
) -> None:
    """Be slow on open connections, from `core`, until the server has closed all of them.

    Args:
        drips: the byte that is sent on a connection every `interval` seconds, by its descriptor.

    Raises:
        LoadError: some were not closed within `seconds`.
    """
    lines = "".join(f"{number} {drop.decode()}\n" for number, drop in drips.items())
    command = [str(program), str(interval), f"{seconds:.1f}"]
    _run(command, seconds + GRACE, core, given=lines, inherited=tuple(drips))


def _run(
    command: list[str],
    timeout: float,
    core: int,
    given: str | None = None,
    inherited: Sequence[int] = (),
) -> str:
    """Return what a load generator writes.

    Args:
        given: what it reads.
        inherited: descriptors that it has too.
    """
    name = Path(command[0]).name
    try:
        with pinned(core):
            done = subprocess.run(
                command,
                check=False,
                capture_output=True,
                text=True,
                timeout=timeout,
                input=given,
                pass_fds=inherited,
            )
    except subprocess.TimeoutExpired as error:
        raise LoadError(f"{name} did not end within {error.timeout:.0f} s") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout)[:100]
        raise LoadError(f"{name} ended with {done.returncode}: {said!r}")
    return done.stdout


def wrk_version() -> str:
    """Return the version that wrk says it has."""
    # `wrk -v` prints its usage too and ends with 1.
    output = subprocess.run(["wrk", "-v"], check=False, capture_output=True, text=True).stdout
    words = output.split(maxsplit=2)
    return words[1] if len(words) > 1 else "unknown"
