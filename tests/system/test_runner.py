"""wrk at full load while ``toolkit run`` changes, loses and ends its workers."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.program import Program, directory, get, port_of, running
from tests.system.programs import need, run

pytestmark = pytest.mark.system

CONNECTIONS = 32
#: Seconds that the load goes on unless it is ended before.
LONGEST = 100


class Load:
    """What wrk has seen.

    Attributes:
        said: its report, once it has ended.
    """

    said = ""

    @property
    def errors(self) -> dict[str, int]:
        """How often each kind of thing went wrong."""
        found = dict(re.findall("(connect|read|write|timeout) ([0-9]+)", self.said))
        bad = re.search("Non-2xx or 3xx responses: ([0-9]+)", self.said)
        counts = {kind: int(count) for kind, count in found.items()}
        return {**counts, "status": int(bad[1]) if bad else 0}

    @property
    def requests(self) -> int:
        """How many were answered."""
        count = re.search("([0-9]+) requests in", self.said)
        return int(count[1]) if count else 0


@contextmanager
def loaded(port: int) -> Iterator[Load]:
    """Have wrk ask all the time within the block."""
    load = Load()
    url = f"http://127.0.0.1:{port}/"
    arguments = [need("wrk"), "-t1", f"-c{CONNECTIONS}", f"-d{LONGEST}s", "--timeout=60s", url]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        try:
            # A load of its own, to know that the other one has begun and goes on.
            assert run("wrk", "-t1", "-c1", "-d1s", url).status == 0
            yield load
            process.send_signal(signal.SIGINT)
            load.said, _ = process.communicate(timeout=60)
        finally:
            process.kill()


@contextmanager
def serving(path: Path, *options: str) -> Iterator[tuple[Program, int]]:
    """Run two workers within the block; give the program and the port."""
    # Where wrk gets no processor for the usual quarter of a second, its connections seem idle.
    options = ("--workers=2", "--drain-grace=3", "--log-level=debug", *options)
    with running(directory(path), "hello:app", "--access-log=off", *options) as program:
        yield program, port_of(program)


def no_errors(load: Load) -> bool:
    """Say whether all requests were answered well."""
    return load.requests > 0 and not any(load.errors.values())


@pytest.mark.feature("B31")
def test_wrk_sees_no_error_while_all_workers_are_replaced(tmp_path: Path) -> None:
    """Each new one serves before the old one ends."""
    with serving(tmp_path, "--port=0") as (program, port), loaded(port) as load:
        program.signal(signal.SIGHUP)
        program.expect("All workers are replaced", "Worker 0 .* is gone", "Worker 1 .* is gone")
    assert no_errors(load), load.said


@pytest.mark.feature("T02")
def test_wrk_sees_no_error_while_workers_come_and_go(tmp_path: Path) -> None:
    """Not even those that wait on the socket of one that goes."""
    with serving(tmp_path, "--port=0") as (program, port), loaded(port) as load:
        program.signal(signal.SIGTTIN)
        program.expect("Worker 2 .* is ready")
        for _ in range(2):
            program.signal(signal.SIGTTOU)
            program.expect("workers from now on")
        # The first one gets the sockets of the others.
        program.expect(*(f"Worker {number} .* is gone" for number in range(3)))
    assert no_errors(load), load.said


@pytest.mark.feature("A19")
def test_a_killed_worker_costs_wrk_its_requests_alone(tmp_path: Path) -> None:
    """Each connection has one under way; what waits on the socket is served by the next one."""
    with serving(tmp_path, "--port=0") as (program, port), loaded(port) as load:
        os.kill(json.loads(get(port)[1])["pid"], signal.SIGKILL)
        program.expect("killed by signal 9")
        program.expect("is ready")
    assert load.requests > 0
    read = load.errors.pop("read", 0)
    assert 0 < read <= CONNECTIONS, load.said
    assert not any({**load.errors, "read": 0}.values()), load.said


@pytest.mark.feature("B19")
def test_wrk_sees_no_error_while_programs_take_turns(tmp_path: Path) -> None:
    """The workers of one drain while another has the port too."""
    with (
        serving(tmp_path, "--port=0", "--reuse-port") as (first, port),
        serving(tmp_path, f"--port={port}", "--reuse-port"),
        loaded(port) as load,
    ):
        first.signal(signal.SIGTERM)
        assert first.status() == 0
    assert no_errors(load), load.said
