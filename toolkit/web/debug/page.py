"""What went wrong as a page for browsers, as JSON, or as plain text."""

import platform
import traceback
import urllib.parse
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from toolkit._version import __version__
from toolkit.escape import json_encode
from toolkit.httputil import HTTPInputError, HTTPServerRequest, responses
from toolkit.routing import HostMatches, PathMatches, RuleRouter
from toolkit.template import Template
from toolkit.web.debug.frames import FIRST_FRAMES, Shown, shown_exceptions
from toolkit.web.debug.template import PAGE
from toolkit.web.debug.values import MASK, Values, cut, is_secret, mask, type_name

if TYPE_CHECKING:
    from toolkit.web.handler import RequestHandler

#: Characters of a field and of a URL, fields of one kind, values of an argument, bytes of a form
#: that is looked into, and routes.
MAX_FIELD, MAX_URL, MAX_FIELDS, MAX_VALUES = 1000, 2000, 100, 5
MAX_FORM = 64 * 1024
MAX_ROUTES, MAX_NESTING = 300, 5

#: Frames of each exception, and characters of the whole, in plain text.
MAX_TEXT_FRAMES, MAX_TEXT = 60, 200_000

Pairs = list[tuple[str, str]]


@dataclass(slots=True)
class Route:
    """A rule of the application: its pattern, what it leads to, its name."""

    pattern: str
    target: str
    name: str


@dataclass(slots=True)
class Report:
    """What went wrong, in answer to what.

    Attributes:
        url, headers, query, form: of the request, without secrets.
        handler: class that it went to.
    """

    status: int
    reason: str
    exceptions: list[Shown]
    method: str
    url: str
    remote_ip: str
    headers: Pairs
    query: Pairs
    form: Pairs
    handler: str
    routes: list[Route]

    @property
    def fields(self) -> list[tuple[str, Pairs]]:
        """What the request brought, under headings."""
        return [("Headers", self.headers), ("Query", self.query), ("Form", self.form)]


def report(handler: "RequestHandler", status: int, error: BaseException) -> Report:
    """Return all that is shown of an error."""
    request = handler.request
    return Report(
        status=status,
        reason=responses.get(status, "Unknown"),
        exceptions=shown_exceptions(error, Values()),
        method=cut(request.method),
        url=cut(_url(request), MAX_URL),
        remote_ip=cut(str(request.remote_ip)),
        headers=[
            (cut(name), MASK if is_secret(name) else cut(mask(value[:MAX_FIELD]), MAX_FIELD))
            for name, value in islice(request.headers.get_all(), MAX_FIELDS)
        ],
        query=_arguments(request, "query_arguments"),
        form=_arguments(request, "body_arguments") if len(request.body) <= MAX_FORM else [],
        handler=type_name(type(handler)),
        routes=list(islice(_routes(handler.application.default_router), MAX_ROUTES)),
    )


def as_html(found: Report) -> str:
    """Return a page that needs nothing but itself, and runs no script."""
    content = _template().generate(
        found=found, first=FIRST_FRAMES, python=platform.python_version(), version=__version__
    )
    return content.decode()


def as_json(found: Report) -> str:
    """Return what the page shows as a JSON object."""
    exceptions = [
        {
            "relation": shown.relation,
            "type": shown.kind,
            "message": shown.message,
            "notes": shown.notes,
            "left_out": shown.left_out,
            "frames": [
                {
                    "file": frame.file,
                    "line": frame.number,
                    "function": frame.function,
                    "source": [
                        f"{line.before}{line.marked}{line.after}"
                        for line in frame.lines
                        if line.current
                    ],
                    "locals": dict(frame.variables),
                }
                for frame in shown.frames
            ],
        }
        for shown in found.exceptions
    ]
    request: dict[str, Any] = {"method": found.method, "url": found.url}
    request |= {"remote_ip": found.remote_ip, "headers": found.headers}
    request |= {"query": found.query, "form": found.form, "handler": found.handler}
    return json_encode(
        {
            "status": found.status,
            "reason": found.reason,
            "exceptions": exceptions,
            "request": request,
            "routes": [asdict(route) for route in found.routes],
        }
    )


def as_text(found: Report, error: BaseException) -> str:
    """Return the traceback as Python writes it, with the request before it."""
    lines = traceback.TracebackException(
        type(error), error, error.__traceback__, limit=-MAX_TEXT_FRAMES
    ).format()
    text = f"{found.status} {found.reason}\n{found.method} {found.url}\n\n{''.join(lines)}"
    return cut(text, MAX_TEXT)


@cache
def _template() -> Template:
    return Template(PAGE, "debug.html", whitespace="all")


# -- the request -------------------------------------------------------------------------


def _url(request: HTTPServerRequest) -> str:
    path, question_mark, query = request.full_url().partition("?")
    return path + question_mark + "&".join(map(_masked_argument, query.split("&")))


def _masked_argument(argument: str) -> str:
    name, equals, _ = argument.partition("=")
    secret = equals and is_secret(urllib.parse.unquote_plus(name))
    return f"{name}={MASK}" if secret else argument


def _arguments(request: HTTPServerRequest, which: str) -> Pairs:
    """Return the arguments of the query or the form; none of one that cannot be read."""
    try:
        arguments: dict[str, list[bytes]] = getattr(request, which)
    except HTTPInputError:
        return []
    return [
        (
            cut(name),
            MASK
            if is_secret(name)
            else cut(value[:MAX_FIELD].decode("utf-8", "replace"), MAX_FIELD),
        )
        for name, values in islice(arguments.items(), MAX_FIELDS)
        for value in values[:MAX_VALUES]
    ]


# -- the application ---------------------------------------------------------------------


def _routes(router: RuleRouter, before: str = "", nesting: int = 0) -> Iterator[Route]:
    """Yield the rules in the order in which they are tried."""
    for rule in router.rules:
        matcher = rule.matcher
        pattern = before
        if isinstance(matcher, PathMatches):
            pattern += matcher.regex.pattern
        elif isinstance(matcher, HostMatches):
            pattern += f"//{matcher.host_pattern.pattern} "
        target = rule.target
        if isinstance(target, RuleRouter) and nesting < MAX_NESTING:
            yield from _routes(target, pattern, nesting + 1)
        else:
            kind = target if isinstance(target, type) else type(target)
            yield Route(cut(pattern), type_name(kind), cut(str(rule.name or "")))
