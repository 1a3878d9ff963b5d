"""`log`: records as lines, whatever they hold, and files that are rotated."""

import io
import logging
import logging.config
import logging.handlers
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from toolkit import log
from toolkit.log import LogFormatter, define_logging_options, enable_pretty_logging
from toolkit.options import OptionParser


def record(message: Any, *args: Any, level: int = logging.ERROR, **more: Any) -> logging.LogRecord:
    """Return a record of line 7 of ``place.py``."""
    made = logging.LogRecord("name", level, "/some/place.py", 7, message, args, None)
    made.__dict__.update(more)
    return made


def text(made: logging.LogRecord) -> str:
    """Return what comes after the prefix, which has to be there."""
    match = re.fullmatch(
        r"\[E \d{6} \d\d:\d\d:\d\d place:7\] (.*)", LogFormatter(color=False).format(made), re.S
    )
    assert match
    return match[1]


def test_the_loggers_are_those_of_the_toolkit() -> None:
    names = [logger.name for logger in (log.access_log, log.app_log, log.gen_log)]
    assert names == ["toolkit.access", "toolkit.application", "toolkit.general"]


# -- messages ----------------------------------------------------------------------------


class Broken:
    """Cannot be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("message", "args", "expected"),
    [
        ("hi", (), "hi"),
        ("%s is %d", ("é€😀", 5), "é€😀 is 5"),
        ("%(a)s", ({"a": 1},), "1"),
        (b"\xe9", (), r"b'\xe9'"),
        ("%s", (b"\xe9",), r"b'\xe9'"),
        (None, (), "None"),
        ("\ud800", (), r"\ud800"),
        ("a\nb\n", (), "a\n    b\n    "),
        ("\x1b]0;x\x07\r\x00\x7f\x9b", (), r"\x1b]0;x\x07\x0d\x00\x7f\x9b"),
        ("tab\tstays", (), "tab\tstays"),
        (
            "%d",
            ("x",),
            "Bad message (TypeError('%d format: a real number is required, not str')): "
            "'%d' % ('x',)",
        ),
        (
            "%s",
            (Broken(),),
            "Bad message (RuntimeError('no')): '%s' % <tuple, whose repr raises RuntimeError>",
        ),
        (
            Broken(),
            (),
            "Bad message (RuntimeError('no')): <Broken, whose repr raises RuntimeError> % ()",
        ),
    ],
)
def test_whatever_is_logged_comes_out(message: Any, args: Any, expected: str) -> None:
    assert text(record(message, *args)) == expected


def test_bytes_are_shown_even_where_python_refuses_to_mix_them() -> None:
    """``python -bb`` makes an error of ``str(b"")``."""
    program = (
        "import logging, toolkit.log as log\n"
        "made = logging.LogRecord('n', 40, 'p', 1, b'abc', (), None)\n"
        "assert log.LogFormatter(color=False).format(made).endswith(\"b'abc'\")\n"
    )
    subprocess.run([sys.executable, "-bb", "-c", program], check=True)


def test_a_traceback_follows_indented() -> None:
    try:
        raise ValueError(b"\xe9", "\x1b")
    except ValueError:
        made = record("caught", exc_info=sys.exc_info())
    first, second, *_, last = text(made).split("\n")
    assert (first, second) == ("caught", "    Traceback (most recent call last):")
    assert last == r"    ValueError: (b'\xe9', '\x1b')"


def test_a_stack_follows_indented() -> None:
    assert text(record("here", stack_info="Stack:\n  a")) == "here\n    Stack:\n      a"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"fmt": "%(levelname)s %(message)s"}, "ERROR hi"),
        ({"fmt": "{levelname} {message}", "style": "{"}, "ERROR hi"),
        ({"fmt": "$levelname $message", "style": "$"}, "ERROR hi"),
        ({"fmt": "%(asctime)s", "datefmt": "%Y"}, "1970"),
        ({"fmt": "%(color)s%(message)s%(end_color)s"}, "hi"),
    ],
)
def test_a_format_may_be_given(options: dict[str, Any], expected: str) -> None:
    formatter = LogFormatter(color=False, **options)
    assert formatter.format(record("hi", created=86400.0)) == expected


def test_dict_config_can_make_the_formatter() -> None:
    config = logging.config.DictConfigurator(
        {
            "version": 1,
            "formatters": {"pretty": {"class": "toolkit.log.LogFormatter", "format": "%(msg)s!"}},
        }
    )
    formatter = config.configure_formatter(config.config["formatters"]["pretty"])
    assert isinstance(formatter, LogFormatter)
    assert formatter.format(record("hi")) == "hi!"


# -- colours -----------------------------------------------------------------------------

PAINT = """
import logging
from toolkit.log import LogFormatter
for level in (10, 20, 30, 40, 50, 25):
    made = logging.LogRecord("n", level, "place.py", 1, "hi", (), None)
    print(repr(LogFormatter(fmt="%(color)s-%(end_color)s").format(made)))
"""


def painted(**environment: str) -> list[str]:
    """Return how each level looks if standard error is a terminal."""
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-c", PAINT],
            env={"PATH": os.environ["PATH"], **environment},
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            stderr=theirs,
            check=True,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    return [eval(line) for line in done.stdout.decode().splitlines()]


def test_each_level_has_its_colour_on_a_terminal() -> None:
    *levels, other = painted(TERM="xterm")
    assert [level.partition("-")[0] for level in levels] == [
        f"\x1b[3{number}m" for number in (4, 2, 3, 1, 5)
    ]
    assert {level.partition("-")[2] for level in levels} == {"\x1b(B\x1b[m"}
    assert other == "-"


@pytest.mark.parametrize(
    "environment", [{"TERM": "dumb"}, {"TERM": "xterm", "NO_COLOR": "1"}, {"TERM": "unheard-of"}]
)
def test_there_is_no_colour_where_none_is_wanted(environment: dict[str, str]) -> None:
    assert set(painted(**environment)) == {"-"}


def test_there_is_no_colour_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert LogFormatter(fmt="%(color)s-").format(record("hi")) == "-"


def test_colorama_gives_colours_to_terminals_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no curses, and `colorama.init` has wrapped standard error."""
    wrapped = io.StringIO()
    monkeypatch.setattr(log, "curses", None)
    monkeypatch.setattr(
        log, "colorama", SimpleNamespace(initialise=SimpleNamespace(wrapped_stderr=wrapped))
    )
    monkeypatch.delenv("NO_COLOR", raising=False)
    formatter = LogFormatter(fmt="%(color)s-%(end_color)s")
    assert formatter.format(record("hi")) == "-"
    monkeypatch.setattr(sys, "stderr", wrapped)
    formatter = LogFormatter(fmt="%(color)s-%(end_color)s")
    assert formatter.format(record("hi")) == "\x1b[31m-\x1b[0m"


# -- set up ------------------------------------------------------------------------------


def set_up(**values: Any) -> logging.Logger:
    """Return a logger set up by options that have these values."""
    options = OptionParser()
    define_logging_options(options)
    for name, value in values.items():
        options[name] = value
    logger = logging.Logger("test", logging.NOTSET)
    enable_pretty_logging(options, logger)
    return logger


def closed(logger: logging.Logger) -> list[logging.Handler]:
    """Close a logger's handlers, and return them."""
    for handler in logger.handlers:
        handler.close()
    return logger.handlers


@pytest.mark.parametrize(
    ("name", "level"), [("debug", 10), ("INFO", 20), ("warning", 30), ("error", 40)]
)
def test_the_level_is_that_of_the_options(name: str, level: int) -> None:
    logger = set_up(logging=name)
    assert logger.level == level
    assert [type(handler) for handler in closed(logger)] == [logging.StreamHandler]


@pytest.mark.parametrize("value", ["none", "None", None])
def test_logging_is_left_alone_if_told_so(value: str | None) -> None:
    logger = set_up(logging=value)
    assert (logger.level, logger.handlers) == (logging.NOTSET, [])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"logging": "loud"}, "'loud'; there are none, critical"),
        ({"log_file_prefix": "x", "log_rotate_mode": "moon"}, "'moon'; it may be 'size' or 'time'"),
    ],
)
def test_a_wrong_value_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        set_up(**values)


@pytest.mark.parametrize("stderr", [None, True, False])
@pytest.mark.parametrize("file", [False, True])
def test_logs_go_where_they_are_told(tmp_path: Path, stderr: bool | None, file: bool) -> None:
    """Without a word, to standard error unless there is a file."""
    logger = set_up(log_to_stderr=stderr, log_file_prefix=str(tmp_path / "log") if file else None)
    kinds = [type(handler) for handler in closed(logger)]
    to_stderr = not file if stderr is None else stderr
    expected: list[type] = [logging.handlers.RotatingFileHandler] if file else []
    assert kinds == expected + ([logging.StreamHandler] if to_stderr else [])


def test_a_file_is_rotated_by_its_size(tmp_path: Path) -> None:
    logger = set_up(
        log_file_prefix=str(tmp_path / "log"), log_file_max_size=100, log_file_num_backups=2
    )
    for number in range(10):
        logger.info("é %d %s", number, "x" * 50)
    closed(logger)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "log.1", "log.2"]
    assert re.fullmatch(r"\[I .*\] é 9 x+\n", (tmp_path / "log").read_text("utf-8"))


def test_a_file_is_rotated_by_time(tmp_path: Path) -> None:
    logger = set_up(
        log_file_prefix=str(tmp_path / "log"),
        log_rotate_mode="time",
        log_rotate_when="H",
        log_rotate_interval=3,
        log_file_num_backups=5,
    )
    (handler,) = closed(logger)
    assert isinstance(handler, logging.handlers.TimedRotatingFileHandler)
    assert (handler.interval, handler.backupCount) == (3 * 3600, 5)


def test_the_program_has_the_options_of_logging_already() -> None:
    """They are looked up only when they are needed."""
    program = (
        "import logging, sys, toolkit.log\n"
        "assert 'toolkit.options' not in sys.modules\n"
        "toolkit.log.enable_pretty_logging()\n"
        "logging.info('hello')\n"
        "from toolkit.options import options\n"
        "assert options.log_file_num_backups == 10\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert re.fullmatch(r"\[I .*<string>:4\] hello\n", done.stderr), done.stderr


@pytest.mark.parametrize(
    ("before", "argument", "logged"),
    [
        ("pass", "", True),
        ("pass", "--logging=none", False),
        ("pass", "--logging=error", False),
        ("options.logging = None", "", False),
        ("options.logging = None", "--logging=info", True),
    ],
)
def test_parsing_the_command_line_sets_logging_up(before: str, argument: str, logged: bool) -> None:
    program = (
        f"import logging\nfrom toolkit.options import options, parse_command_line\n{before}\n"
        "parse_command_line()\nlogging.info('hello')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *filter(None, [argument])],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ("hello" in done.stderr) == logged


# -- request ids -------------------------------------------------------------------------


def queued() -> logging.LogRecord:
    """Return a record as a handler with the filter has it."""
    handler = logging.Handler()
    handler.addFilter(log.RequestIDFilter())
    made = record("hi")
    assert handler.filter(made)
    return made


@pytest.mark.feature("S03")
def test_a_record_has_the_id_of_the_request_that_is_served() -> None:
    token = log.request_id.set("abc")
    try:
        assert queued().request_id == "abc"  # type: ignore[attr-defined]  # the filter adds it
        formatter = LogFormatter("%(request_id)s %(message)s", color=False)
        assert formatter.format(record("hi")) == "abc hi"
    finally:
        log.request_id.reset(token)


@pytest.mark.parametrize(
    ("style", "fmt"), [("%", "%(request_id)s"), ("{", "{request_id}"), ("$", "$request_id")]
)
def test_outside_of_a_request_there_is_a_dash(style: str, fmt: str) -> None:
    assert queued().request_id == "-"  # type: ignore[attr-defined]
    assert LogFormatter(fmt, style=style, color=False).format(record("hi")) == "-"


def test_an_id_that_was_noted_stays() -> None:
    """A record is formatted in another thread, and maybe after its request."""
    noted = queued()
    token = log.request_id.set("later")
    try:
        log.RequestIDFilter().filter(noted)
        assert LogFormatter("%(request_id)s", color=False).format(noted) == "-"
        own = record("hi", request_id="own")
        assert LogFormatter("%(request_id)s", color=False).format(own) == "own"
    finally:
        log.request_id.reset(token)


def test_dict_config_can_make_the_filter() -> None:
    config = logging.config.DictConfigurator(
        {"version": 1, "filters": {"id": {"()": "toolkit.log.RequestIDFilter"}}}
    )
    made = config.configure_filter(config.config["filters"]["id"])
    assert isinstance(made, log.RequestIDFilter)
