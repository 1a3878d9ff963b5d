"""``toolkit run``: serves an application that ``module:attribute`` names."""

import argparse
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from toolkit.cli import reading
from toolkit.runner import RunnerError, Settings, check, run

_DESCRIPTION = """\
Serve a web.Application, an ASGI or a WSGI application.

TARGET names it: module:attribute, where dots lead to attributes of attributes, and () at the
end calls what is there. A function that needs no arguments is called anyway. Without an
attribute it is called app or application.
"""

_SIGNALS = """\
signals:
  TERM, INT   end: requests under way have --graceful-timeout, a second signal cuts them off
  USR1        write to standard error what is under way: requests, and tasks with stacks
  with workers also
  HUP         replace them one at a time, each by one that has loaded the sources anew
  TTIN, TTOU  one worker more, one less
"""

#: An option that is an attribute of `Settings`: its flag, and what `argparse` is told of it.
_Option = tuple[str, dict[str, Any]]


def _option(flag: str, help: str, read: Callable[[str], Any] = str, **how: Any) -> _Option:
    return flag, {"help": help, "type": read, "metavar": "N", **how}


def _text(flag: str, metavar: str, help: str, **how: Any) -> _Option:
    return flag, {"help": help, "metavar": metavar, **how}


def _switch(flag: str, help: str) -> _Option:
    return flag, {"help": help, "action": "store_true"}


def _choice(flag: str, choices: Sequence[str], help: str) -> _Option:
    return flag, {"help": help, "choices": choices}


#: The options by the headings of the help.
OPTIONS: dict[str, list[_Option]] = {
    "application": [
        _choice(
            "--interface",
            ["auto", "toolkit", "asgi", "wsgi"],
            "what kind it is, where that cannot be told",
        ),
        _switch("--factory", "call the attribute, which returns the application"),
        _text("--app-dir", "DIR", "directory to import from; the current one"),
        _choice("--lifespan", ["auto", "on", "off"], "of an ASGI application; on requires one"),
        _option("--threads", "for a WSGI application, 16", reading.positive),
        _choice("--loop", ["auto", "asyncio", "uvloop"], "auto is uvloop where it is installed"),
        _switch("--debug", "tell errors of the start with their traceback"),
        _switch("--check", "import the application, look at the options, and end"),
    ],
    "address": [
        _text("--host", "HOST", "127.0.0.1; an empty one for all interfaces"),
        _option("--port", "8000; 0 for any that is free", reading.port),
        _text("--unix", "PATH", "listen on a Unix socket instead"),
        _option("--unix-mode", "permissions of its file, 600", reading.octal),
        _option(
            "--fd",
            "a listening socket that is open already; may be given more than once. Those "
            "of systemd are found by themselves",
            reading.whole,
            action="append",
            dest="fds",
        ),
        _option("--backlog", "connections that may wait to be accepted, 1024", reading.positive),
        _switch("--reuse-port", "share the port with other programs"),
        _text(
            "--trusted-proxies",
            "LIST",
            "who may say by X-Forwarded-* for whom they ask: addresses, networks, unix",
            dest="server.trusted_proxies",
            type=reading.names,
        ),
        _text(
            "--proxy-protocol",
            "LIST",
            "whose connections begin with a header of the PROXY protocol",
            dest="server.proxy_protocol",
            type=reading.names,
        ),
    ],
    "TLS": [
        _text("--certfile", "FILE", "certificate with its chain, in PEM"),
        _text("--keyfile", "FILE", "its key, unless that is in the same file"),
        _text("--cert-dir", "DIR", "more of them, chosen by the name that a client asks for"),
        _text("--client-ca", "FILE", "authorities that clients' certificates come from"),
        _choice(
            "--client-certificates",
            ["required", "optional"],
            "whether clients need one, where there is --client-ca",
        ),
    ],
    "workers": [
        _option(
            "--workers", "processes besides this one, which looks after them", reading.positive
        ),
        _text("--main", "TARGET", "an async generator function that runs in the process which "
              "looks after them, from before the first until after the last"),
        _option(
            "--worker-timeout",
            "seconds without a sign of life, 30, after which one is replaced; 0 for never",
            reading.amount,
        ),
        _option("--start-timeout", "seconds that one may take to begin, 120", reading.amount),
        _option("--recycle-requests", "after which one is replaced", reading.positive),
        _option("--recycle-rss", "bytes of memory past which it is, such as 500M", reading.size),
        _option("--recycle-jitter", "by what part of them these two vary, 0.1", reading.amount),
        _option(
            "--graceful-timeout", "seconds that requests get to end, 30", reading.amount
        ),
        _option("--drain-delay", "seconds to serve on before, not ready any more", reading.amount),
        _switch("--reload", "replace the worker whenever a source file changes"),
        _text("--reload-dir", "DIR", "where to look, again and again; --app-dir",
              action="append", dest="reload_dirs"),
        _text("--reload-include", "PATTERN", "names to look for, again and again; *.py",
              action="append", dest="reload_patterns"),
    ],
    "health": [
        _switch("--probes", "answer /livez and /readyz beside the application"),
        _text("--admin", "HOST:PORT", "answer them there, apart from the application"),
        _text("--check-ready", "TARGET", "a function that raises, or returns what is false, "
              "while the application is not ready; may be given more than once",
              action="append", dest="checks"),
    ],
    "limits": [
        _option(f"--{flag}", help, read, dest=f"server.{argument}")
        for flag, argument, read, help in [
            ("max-connections", "max_connections", reading.positive,
             "of a worker; one more closes an idle one, or is answered 503"),
            ("max-concurrent-requests", "max_requests", reading.positive,
             "under way in a worker; more are answered 503"),
            ("max-requests-per-connection", "max_requests_per_connection", reading.positive,
             "after which it is closed"),
            ("max-body", "content_limit", reading.size, "bytes of content, 100M"),
            ("max-head", "max_header_size", reading.size, "bytes of a head, 64K"),
            ("header-timeout", "header_timeout", reading.amount, "seconds for a head, 10"),
            ("idle-timeout", "idle_connection_timeout", reading.amount,
             "seconds between two requests, 60"),
            ("body-timeout", "body_timeout", reading.amount, "seconds for more content, 30"),
            ("write-timeout", "write_timeout", reading.amount,
             "seconds for a client to take more, 30"),
            ("handshake-timeout", "handshake_timeout", reading.amount,
             "seconds for TLS to begin, 10"),
            ("response-timeout", "response_timeout", reading.amount,
             "seconds until an answer begins; no limit"),
            ("min-rate", "min_rate", reading.amount,
             "bytes per second that a client sends or takes at least, 240"),
            ("drain-grace", "drain_grace", reading.amount,
             "seconds that an idle connection is kept at the end, 0.25"),
        ]
    ],
    "logs": [
        _text("--access-log", "FORMAT",
              "common, combined, json, off, or a format in Apache's words; common"),
        _option("--log-level", "debug, info, warning, error, critical", reading.level,
                metavar="LEVEL"),
        _switch("--request-ids", "give each request an id"),
    ],
}  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    """Run the subcommand; return the exit status."""
    parsed = parser().parse_args(arguments)

    def act() -> int:
        if not hasattr(parsed, "check"):
            return run(settings_of(parsed))
        del parsed.check
        check(settings_of(parsed))
        print(f"{parsed.target} can be served")
        return 0

    return told(act, getattr(parsed, "debug", False))


def told(act: Callable[[], int], debug: bool = False) -> int:
    """Return the exit status of a subcommand; what keeps it from its work is told in one line."""
    try:
        return act()
    except RunnerError as error:
        if debug:
            traceback.print_exc()
        print(f"toolkit: {error}", file=sys.stderr)
        return 1


def settings_of(parsed: argparse.Namespace) -> Settings:
    """Return what the arguments say.

    Raises:
        RunnerError: they do not go together.
    """
    values: dict[str, Any] = {}
    server: dict[str, Any] = {}
    for name, value in vars(parsed).items():
        if name.startswith("server."):
            server[name.removeprefix("server.")] = value
        else:
            values[name] = tuple(value) if isinstance(value, list) else value
    if values.pop("request_ids", False):
        server["request_ids"] = True
    settings = Settings(**values, server=server)
    if settings.reload and settings.workers > 1:
        raise RunnerError(f"--reload with {settings.workers} workers; one is allowed")
    return settings


def parser() -> argparse.ArgumentParser:
    """Return what reads the arguments; those that are not given are not there."""
    parser = argparse.ArgumentParser(
        "toolkit run",
        usage="toolkit run TARGET [options]",
        description=_DESCRIPTION,
        epilog=_SIGNALS,
        argument_default=argparse.SUPPRESS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("target", metavar="TARGET", help="module:attribute")
    for title, options in OPTIONS.items():
        group = parser.add_argument_group(title)
        for flag, how in options:
            group.add_argument(flag, **how)
    return parser
