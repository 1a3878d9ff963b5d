"""`fork_processes` in real programs, and `Subprocess` with its streams."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.loops import expect_log
from toolkit.ioloop import IOLoop
from toolkit.process import CalledProcessError, Subprocess, cpu_count, fork_processes, task_id

ROOT = Path(__file__).parents[2]
TIMEOUT = 30

# -- forked workers ----------------------------------------------------------------------

#: Workers that say who they are in one write each, which the pipe keeps whole.
HEAD = """
import logging, os, signal, sys, time
from toolkit import process
from toolkit.process import fork_processes, task_id
logging.basicConfig(level=logging.INFO, format="%(message)s")

def say(text):
    os.write(1, f"{text}\\n".encode())

def reached(step):
    # Says whether a worker was here before.
    try:
        os.mkdir(f"{sys.argv[1]}/{step}")
    except FileExistsError:
        return True
    return False
"""


@contextmanager
def program(source: str, folder: Path) -> "Iterator[subprocess.Popen[str]]":
    """Run a program that forks; its workers hold its standard output open."""
    with subprocess.Popen(
        [sys.executable, "-c", HEAD + source, str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as running:
        try:
            yield running
        except BaseException:
            # Else a test that fails would wait for ever, and leave the workers behind.
            os.killpg(running.pid, signal.SIGKILL)
            raise


def result(source: str, folder: Path) -> tuple[int, list[str], str]:
    """Run a program to the end of all its processes; exit status, sorted lines and log."""
    with program(source, folder) as running:
        out, log = running.communicate(timeout=TIMEOUT)
        return running.returncode, sorted(out.splitlines()), log


@pytest.mark.feature("A19")
def test_each_worker_has_its_number(tmp_path: Path) -> None:
    """It is returned, and `task_id` says it from then on; the parent ends with 0."""
    source = "assert task_id() is None\nnumber = fork_processes(3)\nsay(f'{number} {task_id()}')"
    status, lines, log = result(source, tmp_path)
    assert (status, lines) == (0, ["0 0", "1 1", "2 2"])
    assert "Starting 3 processes" in log
    assert log.count("exited normally") == 3


@pytest.mark.parametrize("number", ["None", "0", "-1"])
def test_there_is_a_worker_per_processor_if_none_is_asked_for(tmp_path: Path, number: str) -> None:
    """That is what `cpu_count` says."""
    _, lines, _ = result(f"process.cpu_count = lambda: 2\nsay(fork_processes({number}))", tmp_path)
    assert lines == ["0", "1"]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity here")
def test_processors_are_those_that_may_be_used(tmp_path: Path) -> None:
    """Not those of the machine."""
    assert cpu_count() >= 1
    source = "os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\nsay(process.cpu_count())"
    assert result(source, tmp_path)[1] == ["1"]


@pytest.mark.feature("A19")
@pytest.mark.parametrize(
    ("ending", "logged"),
    [
        ("os._exit(3)", "exited with status 3, restarting"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "killed by signal 9, restarting"),
        ("raise ValueError('seen')", "exited with status 1, restarting"),
    ],
)
def test_a_worker_that_fails_is_restarted_with_its_number(
    tmp_path: Path, ending: str, logged: str
) -> None:
    """And the log says how it ended."""
    source = f"""
number = fork_processes(2)
say(number)
if number == 1 and not reached("failed"):
    {ending}
"""
    status, lines, log = result(source, tmp_path)
    assert (status, lines) == (0, ["0", "1", "1"])
    assert logged in log


@pytest.mark.feature("A19")
@pytest.mark.parametrize("limit", [0, 2])
def test_restarts_are_bounded_and_then_all_workers_end(tmp_path: Path, limit: int) -> None:
    """The parent fails, and leaves no worker behind."""
    source = f"""
number = fork_processes(2, max_restarts={limit})
if number == 0:
    time.sleep(1000)
say("again")
sys.exit(7)
"""
    status, lines, log = result(source, tmp_path)
    assert (status, len(lines)) == (1, limit + 1)
    assert f"RuntimeError: Too many child restarts, giving up after {limit}" in log
    assert log.count("restarting") == limit
    assert "child 0" in log


WAITING = """
number = fork_processes(2)
say("ready")
time.sleep(1000)
"""


def signalled(source: str, folder: Path, number: int, *, group: bool = False) -> tuple[int, str]:
    """Send a signal to the parent, or all, once two workers are ready; status and output."""
    with program(source, folder) as running:
        assert running.stdout is not None
        for _ in range(2):
            assert running.stdout.readline() == "ready\n"
        (os.killpg if group else os.kill)(running.pid, number)
        out, log = running.communicate(timeout=TIMEOUT)
        return running.returncode, out + log


@pytest.mark.feature("A19")
def test_sigterm_to_the_parent_ends_the_workers(tmp_path: Path) -> None:
    """They are not restarted, and the parent dies of the signal as it would have alone."""
    status, output = signalled(WAITING, tmp_path, signal.SIGTERM)
    assert status == -signal.SIGTERM
    assert output.count("killed by signal 15\n") == 2


def test_sigint_to_the_parent_alone_ends_the_workers_after_a_while(tmp_path: Path) -> None:
    """It cannot know that they have not had it."""
    source = "process.INTERRUPT_GRACE = 0.01\n" + WAITING
    status, output = signalled(source, tmp_path, signal.SIGINT)
    assert status == -signal.SIGINT
    assert output.count("killed by signal 15\n") == 2


def test_workers_may_end_in_peace_after_ctrl_c(tmp_path: Path) -> None:
    """The terminal interrupts all; the parent waits for those that tidy up."""
    source = """
number = fork_processes(2)
try:
    say("ready")
    time.sleep(1000)
except KeyboardInterrupt:
    say("tidy")
"""
    status, output = signalled(source, tmp_path, signal.SIGINT, group=True)
    assert status == -signal.SIGINT
    assert output.count("tidy") == 2
    assert output.count("exited normally") == 2


def test_a_handler_of_the_program_stays_in_charge(tmp_path: Path) -> None:
    """What it raises ends the parent, and with it the workers, who have the handler too."""
    source = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))\n" + WAITING
    status, output = signalled(source, tmp_path, signal.SIGTERM)
    assert status == 5
    assert "restarting" not in output


@pytest.mark.parametrize(
    ("handler", "expected"), [("signal.SIG_DFL", -15), ("lambda *_: sys.exit(5)", 5)]
)
def test_a_signal_in_the_moment_of_a_fork_forgets_no_worker(
    tmp_path: Path, handler: str, expected: int
) -> None:
    """It comes before the parent knows the new process."""
    source = f"""
signal.signal(signal.SIGTERM, {handler})
fork = os.fork

def fork_and_signal():
    pid = fork()
    if pid:
        os.kill(os.getpid(), signal.SIGTERM)
    return pid

os.fork = fork_and_signal
fork_processes(1)
time.sleep(1000)
"""
    status, _, log = result(source, tmp_path)
    assert status == expected, log


def test_workers_have_the_usual_handlers(tmp_path: Path) -> None:
    """A worker that is killed by SIGTERM from outside is restarted."""
    source = """
number = fork_processes(1)
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()
if not reached("killed"):
    os.kill(os.getpid(), signal.SIGTERM)
say("again")
"""
    status, lines, log = result(source, tmp_path)
    assert (status, lines) == (0, ["again"])
    assert "killed by signal 15, restarting" in log


def test_children_of_the_program_are_not_workers(tmp_path: Path) -> None:
    """One that ends while they run is neither restarted nor counted."""
    source = """
import subprocess
other = subprocess.Popen([sys.executable, "-c", "raise SystemExit(9)"])
say(fork_processes(1))
while os.path.exists(f"/proc/{other.pid}"):
    time.sleep(0.01)  # until the parent has seen it end
"""
    status, lines, log = result(source, tmp_path)
    assert (status, lines) == (0, ["0"])
    assert "status 9" not in log


def test_a_worker_cannot_fork_workers(tmp_path: Path) -> None:
    """Nor can a program that has a loop, which workers would share."""
    source = """
import asyncio
from toolkit.ioloop import IOLoop

def refused():
    try:
        fork_processes(2)
    except RuntimeError as error:
        say(error)

async def main():
    refused()

asyncio.run(main())
loop = IOLoop()
refused()
loop.close()
fork_processes(1)
refused()
"""
    _, lines, _ = result(source, tmp_path)
    there = "fork_processes: there is an event loop already; fork before making it"
    assert lines == [there, there, "fork_processes: this is worker 0 already"]


def test_a_platform_without_fork_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as Windows."""
    monkeypatch.delattr(os, "fork")
    with pytest.raises(RuntimeError, match="cannot fork"):
        fork_processes(2)
    assert task_id() is None


# -- subprocesses ------------------------------------------------------------------------


def python(source: str, **options: object) -> Subprocess:
    """Start Python on a program."""
    return Subprocess([sys.executable, "-c", source], **options)


@pytest.fixture(params=["descriptor", "thread"])
def watching(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have processes watched in the way of the platform, and in that of the poorest one."""
    if request.param == "thread":
        monkeypatch.delattr(os, "pidfd_open", raising=False)
    elif not hasattr(os, "pidfd_open"):
        pytest.skip("no pidfd_open here")
    return str(request.param)


@pytest.mark.feature("A18")
async def test_streams_carry_what_a_process_reads_and_writes() -> None:
    """Far more than a pipe holds, both ways at once, and standard error apart."""
    source = """
import sys
for line in sys.stdin.buffer:
    sys.stdout.buffer.write(line.upper())
sys.stderr.write("done")
"""
    stream = Subprocess.STREAM
    child = python(source, stdin=stream, stdout=stream, stderr=stream)
    line = b"x" * 999 + b"\n"

    async def feed() -> None:
        for _ in range(1000):
            await child.stdin.write(line)
        child.stdin.close()

    feeding = asyncio.create_task(feed())
    assert await child.stdout.read_until_close() == line.upper() * 1000
    assert await child.stderr.read_until_close() == b"done"
    await feeding
    assert await child.wait_for_exit() == 0
    assert (child.returncode, child.pid) == (0, child.proc.pid)


@pytest.mark.feature("A18")
@pytest.mark.parametrize(
    ("source", "status"),
    [("", 0), ("raise SystemExit(3)", 3), ("import os; os.kill(os.getpid(), 9)", -9)],
)
async def test_wait_for_exit_gives_the_status(watching: str, source: str, status: int) -> None:
    """Once and again, and also after the end."""
    child = python(source)
    assert child.returncode is None
    both = await asyncio.gather(child.wait_for_exit(False), child.wait_for_exit(False))
    assert both == [status, status]
    assert child.returncode == status
    assert await child.wait_for_exit(raise_error=False) == status


async def test_wait_for_exit_raises_on_failure(watching: str) -> None:
    """The error has the status and the command."""
    child = python("raise SystemExit(3)")
    with pytest.raises(CalledProcessError) as caught:
        await child.wait_for_exit()
    assert (caught.value.returncode, caught.value.cmd) == (3, child.proc.args)


async def test_a_wait_that_is_cancelled_harms_no_other(watching: str) -> None:
    """The process is seen to end all the same."""
    child = python("input()", stdin=subprocess.PIPE)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await child.wait_for_exit()
    waiting = child.wait_for_exit(raise_error=False)
    child.proc.communicate(b"\n")
    assert await waiting == 0


async def test_the_exit_callback_runs_once(watching: str, caplog: pytest.LogCaptureFixture) -> None:
    """The last one that was set; what it raises is logged."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()
    child = python("raise SystemExit(4)")
    child.set_exit_callback(lambda _status: pytest.fail("replaced"))
    child.set_exit_callback(ended.set_result)
    assert await ended == 4
    again: asyncio.Future[int] = loop.create_future()
    child.set_exit_callback(again.set_result)
    assert await again == 4
    child.set_exit_callback(lambda _status: 1 // 0)
    await child.wait_for_exit(raise_error=False)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    expect_log(caplog, "toolkit.application", "Exception in callback")


async def test_a_process_that_somebody_else_waited_for_is_seen(watching: str) -> None:
    """`subprocess.Popen.wait` may come first."""
    child = python("raise SystemExit(6)")
    child.proc.wait()
    assert await child.wait_for_exit(raise_error=False) == 6


def test_the_callback_may_be_set_before_the_loop_runs(loop_name: str, watching: str) -> None:
    """As in a program that starts everything first."""
    loop = IOLoop(uvloop=loop_name == "uvloop")
    statuses: list[int] = []
    child = python("raise SystemExit(2)")

    def ended(status: int) -> None:
        statuses.append(status)
        loop.stop()

    child.set_exit_callback(ended)
    loop.start()
    loop.close()
    assert statuses == [2]


async def test_no_signal_handler_is_needed() -> None:
    """The program's own for SIGCHLD stays, whatever is initialized."""
    before = signal.getsignal(signal.SIGCHLD)
    Subprocess.initialize()
    child = python("")
    assert await child.wait_for_exit() == 0
    assert signal.getsignal(signal.SIGCHLD) is before
    Subprocess.uninitialize()
    assert signal.getsignal(signal.SIGCHLD) is before


def open_files() -> int:
    return len(os.listdir("/dev/fd"))


@pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="cannot count open files here")
async def test_no_file_stays_open() -> None:
    """Of a process that ended, and of one that could not be started."""
    stream = Subprocess.STREAM
    warm = python("", stdout=stream)
    await warm.wait_for_exit()
    warm.stdout.close()
    await asyncio.sleep(0)
    before = open_files()
    with pytest.raises(FileNotFoundError):
        Subprocess(["/nonexistent/program"], stdin=stream, stdout=stream, stderr=stream)
    assert open_files() == before
    child = python("", stdin=stream, stdout=stream)
    await child.wait_for_exit()
    child.stdin.close()
    child.stdout.close()
    await asyncio.sleep(0)
    assert open_files() == before


def test_a_loop_that_closes_lets_go_of_the_process(loop_name: str) -> None:
    """What watched it is closed with the object, while the process still runs."""
    loop = IOLoop(uvloop=loop_name == "uvloop")
    threads = threading.active_count()
    child = python("input()", stdin=subprocess.PIPE)
    try:
        child.set_exit_callback(print)
        loop.close()
        assert threading.active_count() == threads or not hasattr(os, "pidfd_open")
    finally:
        child.proc.communicate(b"\n")
