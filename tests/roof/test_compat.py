"""Tornado's name for our modules, each time in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

SAME = """
from toolkit import compat

compat.alias_tornado()
compat.alias_tornado()  # once more changes nothing
import toolkit.web
from toolkit.platform.asyncio import to_asyncio_future as ours

import tornado
import tornado.web
from tornado.platform.asyncio import to_asyncio_future
from tornado import gen, ioloop

assert (tornado, tornado.web, gen) == (toolkit, toolkit.web, toolkit.gen)
assert to_asyncio_future is ours
assert ioloop.__spec__.name == ioloop.__name__ == "toolkit.ioloop"
"""
LOGGERS = """
import logging
from toolkit import compat

compat.alias_tornado()
logging.basicConfig(format="%(name)s: %(message)s")
logging.getLogger("tornado").setLevel(logging.ERROR)
from tornado import log

assert logging.getLogger("tornado.access") is log.access_log
log.app_log.error("seen")
log.gen_log.warning("not seen")
"""
AGENT = """
import sys
from toolkit import compat

if "alias" in sys.argv:
    compat.alias_tornado()
    import tornado.simple_httpclient
from toolkit.httpclient.defaults import USER_AGENT

print(USER_AGENT)
"""
MISSING = """
from toolkit import compat

compat.alias_tornado()
import tornado.nothing
"""
LATE = """
import sys, types

sys.modules["tornado"] = types.ModuleType("tornado")
from toolkit import compat

compat.alias_tornado()
"""
MAIN = """
import runpy, sys
from toolkit import compat

compat.alias_tornado()
sys.argv = ["autoreload", "--help"]
runpy.run_module("tornado.autoreload", run_name="__main__")
"""


@pytest.mark.parametrize(
    ("program", "last"),
    [
        (SAME, ""),
        (LOGGERS, "tornado.application: seen"),
        (
            MISSING,
            "ModuleNotFoundError: no module 'tornado.nothing': there is no 'toolkit.nothing'",
        ),
        (
            LATE,
            "RuntimeError: tornado was imported already; alias_tornado() has to come first",
        ),
        (MAIN, "  --until-success  end when the program has ended with exit status 0"),
    ],
    ids=["same", "loggers", "missing", "late", "main"],
)
def test_a_program_for_tornado_finds_our_modules(program: str, last: str) -> None:
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    said = (done.stdout + done.stderr).strip("\n")
    assert said.split("\n")[-1] == last
    assert done.returncode == ("Error: " in last)


@pytest.mark.parametrize(("argument", "agent"), [("alias", "Tornado/6.6.1"), ("", "toolkit/0.1.0")])
def test_a_program_of_tornados_is_known_by_that_name(argument: str, agent: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", AGENT, argument],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == agent
