"""`toolkit.run`: one way to start a program, and how it ends."""

import asyncio
import contextlib
import functools
import inspect
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import toolkit
from tests.loops import FACTORIES
from toolkit import ioloop
from toolkit.ioloop import IOLoop

needs_uvloop = pytest.mark.skipif("uvloop" not in FACTORIES, reason="uvloop is not installed")


@pytest.fixture
def run(loop_name: str) -> Any:
    """Return `toolkit.run` with one of the loops."""
    return functools.partial(toolkit.run, uvloop=loop_name == "uvloop")


def module_of_loop() -> str:
    """Return the package whose loop runs."""
    return type(asyncio.get_running_loop()).__module__.partition(".")[0]


async def answer() -> int:
    """Return a number after a turn of the loop."""
    await asyncio.sleep(0)
    return 42


def test_it_takes_a_coroutine_function_or_a_coroutine(run: Any) -> None:
    def future() -> "asyncio.Future[int]":
        return asyncio.ensure_future(answer())

    class Program:
        async def __call__(self) -> int:
            return await answer()

    for main in answer, answer(), functools.partial(answer), future, Program():
        assert run(main) == 42


def test_what_the_program_raises_comes_out(run: Any) -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise ZeroDivisionError("of the program")

    async def cancelled() -> None:
        raise asyncio.CancelledError

    async def leave() -> None:
        raise SystemExit(3)

    with pytest.raises(ZeroDivisionError, match="of the program"):
        run(fail)
    with pytest.raises(asyncio.CancelledError):
        run(cancelled)
    with pytest.raises(SystemExit, match="3"):
        run(leave)


@needs_uvloop
@pytest.mark.feature("A05")
def test_the_loop_is_uvloop_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    async def module() -> str:
        return module_of_loop()

    assert toolkit.run(module) == "uvloop"
    assert toolkit.run(module, uvloop=True) == "uvloop"
    assert toolkit.run(module, uvloop=False) == "asyncio"
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert toolkit.run(module) == "asyncio"
    with pytest.raises(ImportError):
        toolkit.run(module, uvloop=True)


def test_everything_is_shut_down_at_the_end(run: Any) -> None:
    steps: list[str] = []
    loops = []
    kept: list[object] = []

    async def background() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            steps.append("task")

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            steps.append("generator")

    async def main() -> None:
        loops.append(asyncio.get_running_loop())
        assert IOLoop.current().asyncio_loop is loops[0]
        kept.append(asyncio.create_task(background()))
        generator = numbers()
        kept.append(generator)
        assert await anext(generator) == 1
        await asyncio.to_thread(threading.current_thread)

    threads = threading.active_count()
    run(main)
    assert steps == ["task", "generator"]
    assert loops[0].is_closed()
    assert threading.active_count() == threads


def test_debug_mode_has_a_watchdog(run: Any) -> None:
    async def main() -> tuple[bool, int]:
        watchdogs = [thread for thread in threading.enumerate() if thread.name == "watchdog"]
        return asyncio.get_running_loop().get_debug(), len(watchdogs)

    assert run(main, debug=True) == (True, 1)
    assert run(main) == (False, 0)
    assert "watchdog" not in {thread.name for thread in threading.enumerate()}


async def test_inside_a_running_loop_it_refuses() -> None:
    coroutine = answer()
    for main in answer, coroutine:
        with pytest.raises(RuntimeError, match="await main instead"):
            toolkit.run(main)
    assert inspect.getcoroutinestate(coroutine) == inspect.CORO_CLOSED


@pytest.mark.parametrize("main", [None, 42, "main", [answer]])
def test_what_cannot_be_run_is_refused(main: Any) -> None:
    with pytest.raises(TypeError, match="takes a coroutine function or a coroutine, not"):
        toolkit.run(main)


@pytest.mark.parametrize("result", [None, 42])
def test_a_function_that_returns_nothing_to_wait_for_is_refused(result: Any) -> None:
    with pytest.raises(TypeError, match=f"returned {result}, which cannot be awaited"):
        toolkit.run(lambda: result)


def test_it_has_the_same_signature_at_both_places() -> None:
    assert str(inspect.signature(toolkit.run)) == str(inspect.signature(ioloop.run))


def test_it_runs_in_another_thread_too(run: Any) -> None:
    """Where signals are nobody's business."""
    results = []
    thread = threading.Thread(target=lambda: results.append(run(answer)))
    thread.start()
    thread.join()
    assert results == [42]


def test_a_handler_of_sigterm_that_is_there_stays(run: Any) -> None:
    seen: list[int] = []

    async def main() -> None:
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(0)

    before = signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    try:
        run(main)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen == [signal.SIGTERM]


def test_sigterm_is_as_it_was_afterwards(run: Any) -> None:
    async def leave() -> None:
        raise SystemExit

    async def terminated() -> None:
        signal.raise_signal(signal.SIGTERM)
        await asyncio.Event().wait()

    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    for main in answer, leave, terminated:
        with contextlib.suppress(SystemExit):
            run(main)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


PROGRAM = """\
import asyncio, atexit, sys
import toolkit

atexit.register(print, "exit", flush=True)

async def background():
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0)
        print("background", flush=True)

async def main():
    task = asyncio.create_task(background())
    await asyncio.sleep(0)
    print("ready", flush=True)
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        if sys.argv[2] == "again":
            print("ready", flush=True)
            await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        print("main", flush=True)
        if sys.argv[2] == "returns":
            return "result"
        raise

print(toolkit.run(main, uvloop=sys.argv[1] == "uvloop"), flush=True)
"""


@contextlib.contextmanager
def program(loop_name: str, way: str) -> Iterator["subprocess.Popen[str]"]:
    """Start a program and wait until it is ready."""
    command = [sys.executable, "-W", "error", "-c", PROGRAM, loop_name, way]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


def test_sigterm_cancels_the_program_and_the_status_says_so(loop_name: str) -> None:
    with program(loop_name, "raises") as process:
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=20)
    assert output == "main\nbackground\nexit\n"
    assert errors == ""
    assert process.returncode == 128 + signal.SIGTERM


def test_a_program_may_answer_sigterm_with_a_result(loop_name: str) -> None:
    with program(loop_name, "returns") as process:
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=20)
    assert output == "main\nbackground\nresult\nexit\n"
    assert errors == ""
    assert process.returncode == 0


def test_a_second_sigterm_does_not_disturb_the_cleaning_up(loop_name: str) -> None:
    with program(loop_name, "again") as process:
        assert process.stdout is not None
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate("go on\n", timeout=20)
    assert output == "main\nbackground\nexit\n"
    assert errors == ""
    assert process.returncode == 128 + signal.SIGTERM


def test_ctrl_c_cancels_the_program_and_interrupts(loop_name: str) -> None:
    with program(loop_name, "raises") as process:
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=20)
    assert output == "main\nbackground\nexit\n"
    assert errors.endswith("KeyboardInterrupt\n")
    assert process.returncode == -signal.SIGINT
