"""Each module imports alone, touches no event loop, and the project stands without extras."""

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator

import pytest

from tests.house.modules import MODULES, ROOT

#: Imports each module that it reads the name of, in a process forked off for it. What is not of
#: the project it has imported before, which most of the time went to.
IMPORTER = """
import asyncio, contextlib, importlib, json, os, sys, threading, traceback

def no_loop(*args, **kwargs):
    raise AssertionError("an event loop was made at import")

asyncio.new_event_loop = asyncio.events.new_event_loop = no_loop

def others(names):
    for name in names:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    return json.dumps([name for name in sys.modules if not name.startswith("toolkit")])

def check(name):
    importlib.import_module(name)
    assert threading.active_count() == 1, "a thread was started at import"
    assert "uvloop" not in sys.modules, "uvloop was imported at import"
    return ""

def in_child(function, argument):
    reading, writing = os.pipe()
    if not (child := os.fork()):
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        status = 0
        try:
            said = function(argument)
        except BaseException:
            status, said = 1, traceback.format_exc()
        with open(writing, "w") as telling:
            telling.write(said)
        os._exit(status)
    os.close(writing)
    with open(reading) as hearing:
        said = hearing.read()
    return os.waitpid(child, 0)[1], said

for name in json.loads(in_child(others, json.loads(sys.stdin.readline()))[1]):
    if name not in ("__main__", "uvloop") and not name.startswith("uvloop."):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
for line in sys.stdin:
    print(json.dumps(in_child(check, line.strip())), flush=True)
"""


@pytest.fixture(scope="module")
def importer() -> Iterator["subprocess.Popen[str]"]:
    """Start an interpreter, with warnings as errors, that has nothing of the project."""
    command = [sys.executable, "-W", "error", "-c", IMPORTER]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, text=True, **pipes) as process:  # type: ignore[call-overload]
        process.stdin.write(json.dumps(list(MODULES)) + "\n")
        yield process
        process.stdin.close()


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_alone(name: str, importer: "subprocess.Popen[str]") -> None:
    """Before any other, with warnings as errors; and it makes no loop."""
    assert importer.stdin is not None
    assert importer.stdout is not None
    importer.stdin.write(f"{name}\n")
    importer.stdin.flush()
    status, said = json.loads(importer.stdout.readline())
    assert status == 0, said


def test_importing_the_package_loads_no_submodule() -> None:
    """``import toolkit`` is cheap; an attribute loads the submodule, an unknown one fails."""
    program = (
        "import sys, toolkit\n"
        "assert not [m for m in sys.modules if m.startswith('toolkit.') and 'version' not in m]\n"
        "assert toolkit.escape.utf8('a') == b'a'\n"
        "assert not hasattr(toolkit, 'nothing')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_certifi_is_the_one_dependency() -> None:
    """All else that the project can use is an extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert [item.partition(">")[0] for item in project["dependencies"]] == ["certifi"]
    assert (ROOT / "toolkit" / "py.typed").exists()
