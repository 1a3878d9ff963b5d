"""``toolkit routes``: the rules of an application."""

import argparse
import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from toolkit.cli.run import told
from toolkit.routing import (
    AllMatch,
    AnyMatches,
    HostMatches,
    Matcher,
    PathMatches,
    PathTemplate,
    PrefixMatches,
    Rule,
    RuleRouter,
)
from toolkit.runner import RunnerError, Settings, application_of
from toolkit.web import Application
from toolkit.web.dispatch import is_handler_class


class Route(NamedTuple):
    """A rule of an application.

    Attributes:
        pattern: what it matches.
        methods: that its handler has; none where that cannot be told.
        target: what requests go to.
        name: for `reverse_url`; "" for none.
        place: file and line that made it.
    """

    pattern: str
    methods: tuple[str, ...]
    target: str
    name: str
    place: str


def main(arguments: Sequence[str]) -> int:
    """Run the subcommand; return the exit status."""
    parsed = parser().parse_args(arguments)

    def act() -> int:
        settings = Settings(parsed.target, app_dir=parsed.app_dir, factory=parsed.factory)
        application = application_of(settings)
        if not isinstance(application, Application):
            raise RunnerError(
                f"{parsed.target!r} is a {type(application).__name__}; a web.Application has routes"
            )
        found = list(routes(application.default_router))
        print(as_json(found) if parsed.json else table(found))
        return 0

    return told(act)


def routes(router: RuleRouter, conditions: Sequence[str] = ()) -> Iterator[Route]:
    """Yield the rules of a router, and of those that it leads to, in the order of their turn.

    Args:
        conditions: of the rules that lead to the router.
    """
    for rule in router.rules:
        if isinstance(rule.target, RuleRouter):
            # Paths below a mount are whole paths already.
            mounted = isinstance(rule.matcher, (AnyMatches, PrefixMatches))
            yield from routes(rule.target, conditions if mounted else [*conditions, *_asks(rule)])
        else:
            methods = rule.target.allowed_methods() if is_handler_class(rule.target) else ()
            pattern = " ".join([*conditions, *(_asks(rule) or ["*"])])
            yield Route(pattern, tuple(methods), _target(rule), rule.name or "", rule.place)


def _asks(rule: Rule) -> list[str]:
    """Return what a rule asks of a request."""
    return list(_words(rule.matcher))


def _words(matcher: Matcher) -> Iterator[str]:
    if isinstance(matcher, AllMatch):
        for part in matcher.matchers:
            yield from _words(part)
    elif isinstance(matcher, HostMatches):
        yield f"host={matcher.host_pattern.pattern}"
    elif isinstance(matcher, PrefixMatches):
        yield f"{matcher.template.text}/*"
    elif isinstance(matcher, PathTemplate):
        yield matcher.template.text
    elif isinstance(matcher, PathMatches):
        yield matcher.regex.pattern
    elif not isinstance(matcher, AnyMatches):
        yield repr(matcher)


def _target(rule: Rule) -> str:
    target = rule.target
    named = target if hasattr(target, "__qualname__") else type(target)
    return f"{named.__module__}.{named.__qualname__}"


def table(found: Sequence[Route]) -> str:
    """Return routes as columns."""
    rows = [("PATTERN", "METHODS", "TARGET", "NAME", "PLACE")]
    rows += [
        (
            route.pattern,
            ",".join(route.methods) or "-",
            route.target,
            route.name or "-",
            route.place,
        )
        for route in found
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def as_json(found: Sequence[Route]) -> str:
    """Return routes as an array of objects with the fields of `Route`."""
    return json.dumps([route._asdict() for route in found], indent=2)


def parser() -> argparse.ArgumentParser:
    """Return what reads the arguments."""
    parser = argparse.ArgumentParser(
        "toolkit routes", description="List the rules of a web.Application, the first to try first."
    )
    parser.add_argument("target", metavar="TARGET", help="module:attribute, as of toolkit run")
    parser.add_argument("--app-dir", default="", metavar="DIR", help="directory to import from")
    parser.add_argument("--factory", action="store_true", help="call the attribute")
    parser.add_argument("--json", action="store_true", help="as JSON")
    return parser
