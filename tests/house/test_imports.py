"""Each module imports alone, touches no event loop, and the project stands without extras."""

import subprocess
import sys
import tomllib

import pytest

from tests.house.modules import MODULES, ROOT

CHECK = """
import asyncio, importlib, sys, threading

def no_loop(*args, **kwargs):
    raise AssertionError("an event loop was made at import")

asyncio.new_event_loop = asyncio.events.new_event_loop = no_loop
threads = threading.active_count()
importlib.import_module(sys.argv[1])
assert threading.active_count() == threads, "a thread was started at import"
assert "uvloop" not in sys.modules, "uvloop was imported at import"
"""


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_alone(name: str) -> None:
    """A fresh interpreter imports it first, with warnings as errors, and makes no loop."""
    command = [sys.executable, "-W", "error", "-c", CHECK, name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


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
