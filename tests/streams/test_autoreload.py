"""`autoreload`: programs that start anew when their source changes, as real processes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from toolkit import autoreload

#: Where the package under test is imported from.
ROOT = Path(__file__).parents[2]

#: Ends a program: the first time it changes a watched file, the second time it just ends.
CHANGE_ONCE = """
def change_once(path=__file__):
    import asyncio, os, sys
    from toolkit import autoreload

    async def change():
        autoreload.start(check_time=10)
        os.environ["STARTED"] = "1"
        with open(path, "a") as file:
            file.write("# changed\\n")
        await asyncio.Event().wait()

    sys.stdout.flush()
    if "STARTED" in os.environ:
        os._exit(0)
    asyncio.run(change())
"""


def run(folder: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run Python in a folder, to its end."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def write(folder: Path, **sources: str) -> None:
    """Write modules, with `change_once` among them."""
    folder.mkdir(exist_ok=True)
    for name, source in {"again": CHANGE_ONCE, **sources}.items():
        (folder / f"{name}.py").write_text(source)


SHOW = """
import os, sys
print(__name__, getattr(__spec__, "name", None), os.path.basename(sys.argv[0]), sys.argv[1:])
"""
WRAPPER = ["-m", "toolkit.autoreload"]


@pytest.mark.parametrize("wrapper", [[], WRAPPER], ids=["plain", "wrapped"])
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-m", "app"], "__main__ app.__main__ __main__.py"),
        (["-m", "app.other"], "__main__ app.other other.py"),
        (["app"], "__main__ __main__ app"),
        (["app/other.py"], "__main__ None other.py"),
    ],
    ids=["package", "module", "folder", "file"],
)
def test_a_program_starts_anew_the_way_it_was_started(
    tmp_path: Path, wrapper: list[str], arguments: list[str], expected: str
) -> None:
    """With name, spec and arguments as the first time, be it wrapped or not."""
    program = SHOW + "sys.path.append('app'); import again; again.change_once()\n"
    write(tmp_path / "app", __init__="", __main__=program, other=program)
    done = run(tmp_path, *wrapper, *arguments, "-m", "--flag", "two words")
    assert done.stdout == f"{expected} ['-m', '--flag', 'two words']\n" * 2, done.stderr


def test_options_of_the_interpreter_stay(tmp_path: Path) -> None:
    """Such as ``-X dev``."""
    program = "import sys, again; print(sys.flags.dev_mode); again.change_once()\n"
    write(tmp_path, main=program)
    assert run(tmp_path, "-X", "dev", "main.py").stdout == "True\n" * 2


def test_a_program_that_went_elsewhere_starts_where_it_was_started(tmp_path: Path) -> None:
    """A relative path on the command line means the same file."""
    (tmp_path / "data").mkdir()
    program = "import os, again; print(os.getcwd()); os.chdir('data'); again.change_once()\n"
    write(tmp_path, main="from toolkit import autoreload\n" + program)
    assert run(tmp_path, "main.py").stdout == f"{tmp_path.resolve()}\n" * 2


def test_a_wrapped_file_imports_its_neighbours(tmp_path: Path) -> None:
    """As without the wrapper."""
    write(tmp_path / "app", main="import neighbour", neighbour="print('hello')")
    done = run(tmp_path, *WRAPPER, "--until-success", "app/main.py")
    assert done.stdout == "hello\n", done.stderr


def test_a_watched_file_that_is_no_module_restarts_too(tmp_path: Path) -> None:
    """`watch` takes a relative path."""
    program = """
import os, sys
from toolkit import autoreload
import again
print("started")
autoreload.watch("page.html")
again.change_once("page.html")
"""
    write(tmp_path, main=program)
    (tmp_path / "page.html").write_text("before")
    assert run(tmp_path, "main.py").stdout == "started\n" * 2


def test_hooks_run_before_the_restart(tmp_path: Path) -> None:
    """All of them, in order, also after one that fails; the alarm clock is stopped."""
    program = """
import signal
from toolkit import autoreload
import again
signal.setitimer(signal.ITIMER_REAL, 60)
autoreload.add_reload_hook(lambda: print("one"))
autoreload.add_reload_hook(lambda: 1 / 0)
autoreload.add_reload_hook(lambda: print("three"))
print(signal.getitimer(signal.ITIMER_REAL)[0] > 0)
signal.setitimer(signal.ITIMER_REAL, 0) if "STARTED" in __import__("os").environ else None
again.change_once()
"""
    write(tmp_path, main=program)
    done = run(tmp_path, "main.py")
    assert done.stdout.splitlines() == ["True", "one", "three", "True"]
    assert "ZeroDivisionError" in done.stderr


def test_wait_restarts_a_program_that_came_to_its_end(tmp_path: Path) -> None:
    """It watches the modules that the program has loaded."""
    program = """
import os, threading, time
from toolkit import autoreload
import again

def change():
    while True:
        with open("again.py", "a") as file:
            file.write("#")

print("started", flush=True)
if "STARTED" in os.environ:
    os._exit(0)
os.environ["STARTED"] = "1"
threading.Thread(target=change, daemon=True).start()
autoreload.wait()
"""
    write(tmp_path, main=program)
    assert run(tmp_path, "main.py").stdout == "started\n" * 2


# -- the wrapper -------------------------------------------------------------------------


def wrapped_until_success(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, *WRAPPER, "--until-success", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("arguments", "broken", "sources"),
    [
        (["main.py"], "main.py", {"main": "print('good' if"}),
        (["-m", "main"], "main.py", {"main": "print('good' if"}),
        (["main.py"], "part.py", {"main": "import part", "part": "def f(:"}),
        (["-m", "main"], "part.py", {"main": "import part", "part": "1 / 0"}),
        (["main.py"], "main.py", {"main": "raise SystemExit(3)"}),
        (["-m", "main"], "main.py", {"main": "raise SystemExit('a message')"}),
    ],
    ids=["syntax", "syntax-m", "import-syntax", "import-error-m", "status", "message-m"],
)
def test_the_wrapper_waits_until_the_broken_file_is_mended(
    tmp_path: Path, arguments: list[str], broken: str, sources: dict[str, str]
) -> None:
    """Be the fault in the program itself or in what it imports."""
    write(tmp_path, **sources)
    with wrapped_until_success(tmp_path, *arguments) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        seen = ""
        while "Script exited with" not in seen:
            seen = process.stderr.readline()
            assert seen, "the wrapper ended"
        # It may take the first look at the file now or only when it has been written; it is
        # written until the program has started anew.
        mended = tmp_path / "mended"
        while process.poll() is None:
            mended.write_text(f"print('good') # {time.monotonic_ns()}")
            mended.replace(tmp_path / broken)
        assert process.stdout.read() == "good\n", process.stderr.read()
        assert process.returncode == 0


def test_the_wrapper_ends_with_success_at_once_if_so_asked(tmp_path: Path) -> None:
    """And says how the program ended."""
    write(tmp_path, main="import sys; sys.exit(0)")
    done = run(tmp_path, *WRAPPER, "--until-success", "main.py")
    assert (done.returncode, done.stderr) == (0, "Script exited with status 0\n")


@pytest.mark.parametrize("arguments", [[], ["-m"], ["--nonsense", "main.py"], ["--until-success"]])
def test_the_wrapper_explains_how_it_is_used(tmp_path: Path, arguments: list[str]) -> None:
    """A command line that it cannot read is an error; help is none."""
    done = run(tmp_path, *WRAPPER, *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", autoreload.USAGE)
    done = run(tmp_path, *WRAPPER, "--help")
    assert (done.returncode, done.stdout, done.stderr) == (0, autoreload.USAGE, "")


# -- misuse ------------------------------------------------------------------------------


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_a_look_takes_time() -> None:
    """An interval of 0 ms is refused."""
    with pytest.raises(ValueError, match="check_time 0"):
        autoreload.start(0)


def test_a_worker_does_not_restart_by_itself(tmp_path: Path) -> None:
    """It would become a parent of workers in its turn."""
    program = """
from toolkit import autoreload, process
process.fork_processes(1)
try:
    autoreload.start()
except RuntimeError as error:
    print(error)
"""
    write(tmp_path, main=program)
    done = run(tmp_path, "main.py")
    assert done.stdout == "autoreload cannot be used in a worker of fork_processes\n", done.stderr
