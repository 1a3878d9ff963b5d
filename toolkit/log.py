"""The three loggers of the toolkit, and readable logs on a terminal or in rotated files.

- ``toolkit.access``: a line for each request served;
- ``toolkit.application``: errors in the user's code;
- ``toolkit.general``: everything else, such as bad peers.

A program that parses its command line with `toolkit.options` has its logs formatted already;
another calls `enable_pretty_logging`, or gives `LogFormatter` to a handler of its own.
"""

import importlib
import logging
import logging.handlers
import os
import re
import sys
from contextvars import ContextVar
from types import ModuleType
from typing import Any


def _optional(name: str) -> ModuleType | None:
    """Return a module that not every system has."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


#: What says which colours a terminal has; None on Windows.
curses = _optional("curses")
#: What teaches colours to old terminals of Windows; None unless installed.
colorama = _optional("colorama")

access_log = logging.getLogger("toolkit.access")
app_log = logging.getLogger("toolkit.application")
gen_log = logging.getLogger("toolkit.general")
# By a name of its own, as Python finds a method of an imported object later (3.11).
_has_access_lines = access_log.isEnabledFor

#: The id of the request that is being served, set by a server that makes such ids; else "".
request_id: ContextVar[str] = ContextVar("toolkit.log.request_id", default="")

#: What a record's request_id is outside of any request.
NO_REQUEST = "-"

#: Control characters but tab and line feed: a peer that gets them into a log could steer the
#: terminal that shows it.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class RequestIDFilter(logging.Filter):
    """Gives each record a ``request_id``, by which lines of one request are found.

    It goes to a handler, whose format may then name ``%(request_id)s``::

        handler.addFilter(RequestIDFilter())

    Records of tasks and threads that a request started have its id, where their context was
    copied as `asyncio.create_task` and `asyncio.to_thread` do. Outside of a request the id is
    ``"-"``. One that a record has already stays, as with ``extra={"request_id": ...}``.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Return True: no record is left out."""
        _add_request_id(record)
        return True


def access_level(status: int) -> int:
    """Return the level of the access log's line about an answer, 0 where it is not wanted."""
    level = logging.INFO if status < 400 else logging.WARNING if status < 500 else logging.ERROR
    return level if _has_access_lines(level) else 0


class LogFormatter(logging.Formatter):
    """Formats records as ``[W 240131 18:05:59 module:42] message``, coloured on a terminal.

    Whatever is logged comes out, and no record can look like two: arguments that do not fit,
    bytes, and text that is no Unicode are shown as they are in source code, control characters
    are escaped, and the lines after the first are indented.

    Args:
        fmt: ``%(color)s`` and ``%(end_color)s`` surround what is coloured; ``%(request_id)s``
            is the id of the request that is being served, without any filter. Where another
            thread formats the records, as behind a queue, give the handler that queues them
            a `RequestIDFilter`.
        datefmt: format of ``%(asctime)s``, as for `time.strftime`.
        style: of `fmt`: ``%``, ``{`` or ``$``, as for `logging.Formatter`.
        color: whether to use colours if standard error is a terminal that has them.
        colors: number of the colour for each level.

    There are no colours if the environment has ``NO_COLOR``.
    """

    DEFAULT_FORMAT = (
        "%(color)s[%(levelname)1.1s %(asctime)s %(module)s:%(lineno)d]%(end_color)s %(message)s"
    )
    DEFAULT_DATE_FORMAT = "%y%m%d %H:%M:%S"
    DEFAULT_COLORS = {  # noqa: RUF012  # the API: a plain dict that one may copy and change
        logging.DEBUG: 4,  # blue
        logging.INFO: 2,  # green
        logging.WARNING: 3,  # yellow
        logging.ERROR: 1,  # red
        logging.CRITICAL: 5,  # magenta
    }

    def __init__(
        self,
        fmt: str = DEFAULT_FORMAT,
        datefmt: str | None = DEFAULT_DATE_FORMAT,
        style: str = "%",
        color: bool = True,
        colors: dict[int, int] = DEFAULT_COLORS,
    ) -> None:
        if fmt == self.DEFAULT_FORMAT:
            style = "%"
        super().__init__(fmt, datefmt, style)  # type: ignore[arg-type]  # the API says str
        self._colors: dict[int, str] = {}
        self._normal = ""
        if color and not os.environ.get("NO_COLOR"):
            self._colors, self._normal = _terminal_colors(colors)

    def format(self, record: Any) -> str:
        """Return the record as text, whatever is wrong with its message."""
        record.message = _printable(_message(record))
        if self.usesTime():
            record.asctime = self.formatTime(record, self.datefmt)
        record.color = self._colors.get(record.levelno, "")
        record.end_color = self._normal if record.color else ""
        _add_request_id(record)
        lines = [self.formatMessage(record)]
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            lines.append(_printable(record.exc_text).rstrip())
        if record.stack_info:
            lines.append(_printable(self.formatStack(record.stack_info)))
        return "\n".join(lines).replace("\n", "\n    ")


def _add_request_id(record: logging.LogRecord) -> None:
    """Note which request is being served, unless that was noted before."""
    if not hasattr(record, "request_id"):
        record.request_id = request_id.get() or NO_REQUEST


def _message(record: logging.LogRecord) -> str:
    """Return the message of a record, or what is wrong with it."""
    if isinstance(record.msg, bytes) and not record.args:
        return repr(record.msg)
    try:
        return record.getMessage()
    except Exception as error:  # whatever a user's __str__ or __repr__ raises
        return f"Bad message ({_shown(error)}): {_shown(record.msg)} % {_shown(record.args)}"


def _shown(value: object) -> str:
    """Return the `repr` of a value, or at least its type."""
    try:
        return repr(value)
    except Exception as error:
        return f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"


def _printable(text: str) -> str:
    """Escape control characters and lone surrogates."""
    text = _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


# -- colours -----------------------------------------------------------------------------


def _terminal_colors(colors: dict[int, int]) -> tuple[dict[int, str], str]:
    """Return what switches each level's colour on, and what switches it off."""
    if curses is not None and hasattr(sys.stderr, "isatty") and sys.stderr.isatty():
        try:
            curses.setupterm()
            if curses.tigetnum("colors") > 0:
                set_color = curses.tigetstr("setaf") or curses.tigetstr("setf") or b""
                start = {
                    level: curses.tparm(set_color, number).decode("latin-1")
                    for level, number in colors.items()
                }
                return start, (curses.tigetstr("sgr0") or b"").decode("latin-1")
        except curses.error:  # a terminal that is not described here
            pass
    if colorama is not None and _wrapped_by_colorama():
        return {level: f"\x1b[3{number}m" for level, number in colors.items()}, "\x1b[0m"
    return {}, ""


def _wrapped_by_colorama() -> bool:
    """Whether `colorama.init` has been called, so that standard error knows colours."""
    wrapped = getattr(getattr(colorama, "initialise", None), "wrapped_stderr", None)
    return wrapped is not None and sys.stderr is wrapped


# -- options -----------------------------------------------------------------------------


def _global_options() -> Any:
    """Return the options of the program.

    They are looked up when needed: `toolkit.options` defines those of this module, and so
    imports it.
    """
    from toolkit.options import options

    return options


def enable_pretty_logging(options: Any = None, logger: logging.Logger | None = None) -> None:
    """Set up logging as the options say; with ``logging=none`` leave it alone.

    Args:
        options: what `define_logging_options` added to; the program's by default.
        logger: whose level and handlers are set; the root by default.
    Raises:
        ValueError: ``logging`` or ``log_rotate_mode`` is none of its values.
    """
    if options is None:
        options = _global_options()
    if options.logging is None or options.logging.lower() == "none":
        return
    if logger is None:
        logger = logging.getLogger()
    logger.setLevel(_level(options.logging))
    if options.log_file_prefix:
        handler = _file_handler(options)
        handler.setFormatter(LogFormatter(color=False))
        logger.addHandler(handler)
    if options.log_to_stderr or (options.log_to_stderr is None and not logger.handlers):
        console = logging.StreamHandler()
        console.setFormatter(LogFormatter())
        logger.addHandler(console)


def _level(name: str) -> int:
    """Return the number of a level.

    Raises:
        ValueError: there is no such level.
    """
    levels = logging.getLevelNamesMapping()
    if name.upper() not in levels:
        allowed = ", ".join(["none", *(level.lower() for level in levels)])
        raise ValueError(f"no level of logging is called {name!r}; there are {allowed}")
    return levels[name.upper()]


def _file_handler(options: Any) -> logging.Handler:
    """Return what writes to a file that is rotated as the options say."""
    if options.log_rotate_mode == "size":
        return logging.handlers.RotatingFileHandler(
            filename=options.log_file_prefix,
            maxBytes=options.log_file_max_size,
            backupCount=options.log_file_num_backups,
            encoding="utf-8",
        )
    if options.log_rotate_mode == "time":
        return logging.handlers.TimedRotatingFileHandler(
            filename=options.log_file_prefix,
            when=options.log_rotate_when,
            interval=options.log_rotate_interval,
            backupCount=options.log_file_num_backups,
            encoding="utf-8",
        )
    raise ValueError(f"log_rotate_mode is {options.log_rotate_mode!r}; it may be 'size' or 'time'")


def define_logging_options(options: Any = None) -> None:
    """Add the options of logging, and have it set up once the options are parsed.

    Args:
        options: a parser of your own; the program's has them already.
    """
    if options is None:
        options = _global_options()
    options.define(
        "logging",
        default="info",
        metavar="debug|info|warning|error|none",
        help="level of the messages that are logged; with 'none' logging is left alone",
    )
    options.define(
        "log_to_stderr",
        type=bool,
        help="write logs to standard error, in colours if it has them; the default is to do so"
        " unless there is --log-file-prefix or logging is set up otherwise",
    )
    options.define(
        "log_file_prefix",
        type=str,
        metavar="PATH",
        help="file for the logs; older ones get a suffix; no two processes may share it",
    )
    options.define("log_file_max_size", default=100 * 1000 * 1000, help="bytes in a log file")
    options.define("log_file_num_backups", default=10, help="how many older log files are kept")
    options.define(
        "log_rotate_when",
        default="midnight",
        metavar="S|M|H|D|W0-W6|midnight",
        help="unit of --log-rotate-interval, as for TimedRotatingFileHandler",
    )
    options.define("log_rotate_interval", default=1, help="time until the next log file")
    options.define(
        "log_rotate_mode",
        default="size",
        metavar="size|time",
        help="what makes the next log file begin",
    )
    options.add_parse_callback(lambda: enable_pretty_logging(options))
