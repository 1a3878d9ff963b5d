"""Which target a request goes to: rules with matchers, tried in order."""

import math
import re
from collections.abc import Mapping, Sequence
from re import Pattern
from types import MappingProxyType
from typing import Any, NamedTuple

from toolkit.escape import to_unicode, url_escape, url_unescape
from toolkit.http1connection import ExchangeDelegate, serve_callable, serve_delegate
from toolkit.httputil import (
    HTTPConnection,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    HTTPServerRequest,
    date_now,
)
from toolkit.log import app_log, gen_log
from toolkit.util import import_object
from toolkit.wire.events import ResponseHead

#: Characters that mean themselves in a regular expression and are usual in paths.
_LITERAL = re.compile(r"(?:[A-Za-z0-9_/~%=&,:;@!'\"<>#-]|\\[^A-Za-z0-9])*")


class Router(HTTPServerConnectionDelegate):
    """Chooses who answers a request; a subclass says how, in `find_handler`.

    It may be what an `HTTPServer` serves, or the target of a rule.
    """

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
        """Return the delegate that answers a request, None when nobody does.

        Args:
            kwargs: what a rule before it found: ``path_args``, ``path_kwargs``,
                ``target_kwargs``.
        """
        raise NotImplementedError

    def start_request(
        self, server_conn: object, request_conn: HTTPConnection
    ) -> HTTPMessageDelegate:
        """Return a delegate that asks `find_handler`; called by the server."""
        return _RoutingDelegate(self, request_conn)


class ReversibleRouter(Router):
    """A router that can turn the name of a route back into its path."""

    def reverse_url(self, name: str, *args: Any) -> str | None:
        """Return the path of a named route with these arguments, None for an unknown name."""
        raise NotImplementedError


class _RoutingDelegate(ExchangeDelegate):
    """Serves an exchange by the delegate that a router finds."""

    def __init__(self, router: Router, exchange: Any) -> None:
        super().__init__(exchange)
        self._router = router

    async def serve(self) -> None:
        exchange = self.exchange
        delegate = self._router.find_handler(HTTPServerRequest.received(exchange.head, exchange))
        if delegate is None:
            gen_log.debug("Delegate for %s is not found", exchange.head.target)
            exchange.respond(ResponseHead(404, [("Date", date_now())]))
        else:
            await serve_delegate(exchange, delegate)


class _CallableDelegate(ExchangeDelegate):
    """Serves an exchange by a function of the request."""

    def __init__(self, target: Any, exchange: Any, arguments: dict[str, Any]) -> None:
        super().__init__(exchange)
        self._target = target
        self._arguments = arguments

    async def serve(self) -> None:
        handle = getattr(self._target, "handle_exchange", None)
        if handle is not None:
            await handle(self.exchange)
        else:
            await serve_callable(self.exchange, self._target, **self._arguments)


class Match(NamedTuple):
    """What a request came to.

    Attributes:
        target: the rule's.
        target_kwargs: the rule's, for the target.
        path_args, path_kwargs: groups of the path's pattern, unescaped; None for a group
            that took no part.
    """

    target: Any
    target_kwargs: dict[str, Any]
    path_args: Sequence[bytes | None] = ()
    path_kwargs: Mapping[str, bytes | None] = MappingProxyType({})


class Matcher:
    """Says whether a request fits."""

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """Return arguments for the target (`path_args`, `path_kwargs`), None for no match."""
        raise NotImplementedError

    def reverse(self, *args: Any) -> str | None:
        """Return the path that would match with these arguments, None when that is unknown."""
        return None


class AnyMatches(Matcher):
    """Matches every request."""

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        return {}


class HostMatches(Matcher):
    """Matches requests by host name, without port, in lower case."""

    def __init__(self, host_pattern: str | Pattern[str]) -> None:
        if isinstance(host_pattern, str):
            host_pattern = re.compile(_anchored(host_pattern))
        self.host_pattern = host_pattern

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        return {} if self.host_pattern.match(request.host_name) else None


class DefaultHostMatches(Matcher):
    """Matches all requests, when the application's default host matches the pattern.

    Those that name another host by a proxy, which then says so in X-Real-Ip, are left out.
    """

    def __init__(self, application: Any, host_pattern: Pattern[str]) -> None:
        self.application = application
        self.host_pattern = host_pattern

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        if "X-Real-Ip" in request.headers:
            return None
        return {} if self.host_pattern.match(self.application.default_host) else None


class PathMatches(Matcher):
    """Matches requests by path; groups of the pattern become arguments.

    Args:
        path_pattern: a regular expression for the whole path. Its groups are all named or
            all unnamed.
    """

    def __init__(self, path_pattern: str | Pattern[str]) -> None:
        if isinstance(path_pattern, str):
            path_pattern = re.compile(_anchored(path_pattern))
        self.regex = path_pattern
        named = len(self.regex.groupindex)
        if named not in (0, self.regex.groups):
            raise ValueError(
                f"groups in url regexes must either be all named or all positional: "
                f"{self.regex.pattern!r}"
            )
        self._path, self._group_count = _reversible(self.regex)

    @property
    def literal(self) -> str | None:
        """The one path that the pattern matches, None when it may match others."""
        pattern = self.regex.pattern.removesuffix("$")
        if self.regex.flags & re.IGNORECASE or not _LITERAL.fullmatch(pattern):
            return None
        return re.sub(r"\\(.)", r"\1", pattern)

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        found = self.regex.match(request.path)
        if found is None:
            return None
        if not self.regex.groups:
            return {}
        if self.regex.groupindex:
            return {"path_kwargs": {k: _unquote(v) for k, v in found.groupdict().items()}}
        return {"path_args": [_unquote(value) for value in found.groups()]}

    def reverse(self, *args: Any) -> str | None:
        if self._path is None:
            return None
        if len(args) != self._group_count:
            raise ValueError(f"{len(args)} arguments for {self._group_count} groups of a pattern")
        values = (arg if isinstance(arg, (str, bytes)) else str(arg) for arg in args)
        return self._path % tuple(_segment(to_unicode(value)) for value in values)


def _segment(value: str) -> str:
    """Quote a value for a path; a slash in it is no separator."""
    return url_escape(value, plus=False).replace("/", "%2F")


class Rule:
    """A matcher and what its requests go to.

    Args:
        matcher: says which requests.
        target: what they go to: a handler class, or a list of rules.
        target_kwargs: for the target, such as arguments of `RequestHandler.initialize`.
        name: for `reverse_url`.
    """

    def __init__(
        self,
        matcher: Matcher,
        target: Any,
        target_kwargs: dict[str, Any] | None = None,
        name: str | None = None,
    ) -> None:
        self.matcher = matcher
        self.target = import_object(target) if isinstance(target, str) else target
        self.target_kwargs = target_kwargs if target_kwargs is not None else {}
        self.name = name

    def reverse(self, *args: Any) -> str | None:
        """Return the path that would match with these arguments."""
        return self.matcher.reverse(*args)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.matcher!r}, {self.target!r}, "
            f"kwargs={self.target_kwargs!r}, name={self.name!r})"
        )


class URLSpec(Rule):
    """A path pattern and the handler class of its requests.

    Args:
        pattern: a regular expression; `$` at its end is added when missing.
        handler: a `RequestHandler` subclass, or its dotted name.
        kwargs: for its `initialize`.
        name: for `reverse_url`.
    """

    def __init__(
        self,
        pattern: str | Pattern[str],
        handler: Any,
        kwargs: dict[str, Any] | None = None,
        name: str | None = None,
    ) -> None:
        matcher = PathMatches(pattern)
        super().__init__(matcher, handler, kwargs, name)
        self.regex = matcher.regex
        self.handler_class = self.target
        self.kwargs = self.target_kwargs

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.regex.pattern!r}, {self.handler_class!r}, "
            f"kwargs={self.kwargs!r}, name={self.name!r})"
        )


#: For a path that no rule has as a fixed one: it stands behind all rules.
_NOT_FIXED: tuple[float, Match | None] = (math.inf, None)

#: A rule, or the arguments of one; its first may be a path pattern.
RuleLike = Rule | Sequence[Any]


class RuleRouter(Router):
    """Tries rules in order; the first that matches wins.

    Rules whose path is fixed are found by one look-up, however many there are.

    Args:
        rules: the target of a rule may be another router, a `web.Application` or another
            `httputil.HTTPServerConnectionDelegate`, a function of the request, or a list of
            rules.
    """

    def __init__(self, rules: Sequence[RuleLike] | None = None) -> None:
        self.rules: list[Rule] = []
        # The first rule of each fixed path: its place among all rules, and what it comes to.
        self._fixed: dict[str, tuple[int, Match]] = {}
        self._others: list[tuple[int, Rule]] = []
        if rules:
            self.add_rules(rules)

    def add_rules(self, rules: Sequence[RuleLike]) -> None:
        """Append rules."""
        for rule in rules:
            made = self.process_rule(_as_rule(rule))
            index = len(self.rules)
            self.rules.append(made)
            matcher = made.matcher
            path = matcher.literal if type(matcher) is PathMatches else None
            if path is None or isinstance(made.target, RuleRouter):
                self._others.append((index, made))
            else:
                self._fixed.setdefault(path, (index, Match(made.target, made.target_kwargs)))

    def process_rule(self, rule: Rule) -> Rule:
        """Return the rule to keep; for subclasses to override."""
        if isinstance(rule.target, (list, tuple)):
            rule.target = type(self)(rule.target)
        return rule

    def match(self, request: HTTPServerRequest) -> Match | None:
        """Return what the request goes to, None when no rule matches."""
        fixed, found = self._fixed.get(request.path, _NOT_FIXED)
        for index, rule in self._others:
            if fixed < index:
                break
            arguments = rule.matcher.match(request)
            if arguments is None:
                continue
            if not isinstance(rule.target, RuleRouter):
                return Match(rule.target, rule.target_kwargs, **arguments)
            inner = rule.target.match(request)
            if inner is not None:
                return inner
        return found

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
        """Return the delegate of the first rule that matches and has one."""
        for rule in self.rules:
            arguments = rule.matcher.match(request)
            if arguments is None:
                continue
            if rule.target_kwargs:
                arguments["target_kwargs"] = rule.target_kwargs
            delegate = self.get_target_delegate(rule.target, request, **arguments)
            if delegate is not None:
                return delegate
        return None

    def get_target_delegate(
        self, target: Any, request: HTTPServerRequest, **target_params: Any
    ) -> HTTPMessageDelegate | None:
        """Return the delegate of a rule's target, None when it has none for the request.

        A subclass that knows further kinds of targets overrides it.
        """
        if isinstance(target, Router):
            return target.find_handler(request, **target_params)
        if isinstance(target, HTTPServerConnectionDelegate):
            assert request.connection is not None
            return target.start_request(request.server_connection, request.connection)
        if callable(target) or hasattr(target, "handle_exchange"):
            return _CallableDelegate(target, request.connection, target_params)
        return None


class ReversibleRuleRouter(ReversibleRouter, RuleRouter):
    """A `RuleRouter` whose named rules can be turned back into paths."""

    def __init__(self, rules: Sequence[RuleLike] | None = None) -> None:
        self.named_rules: dict[str, Rule] = {}
        super().__init__(rules)

    def process_rule(self, rule: Rule) -> Rule:
        rule = super().process_rule(rule)
        if rule.name:
            if rule.name in self.named_rules:
                app_log.warning("Multiple handlers named %s; replacing previous value", rule.name)
            self.named_rules[rule.name] = rule
        return rule

    def reverse_url(self, name: str, *args: Any) -> str | None:
        """Return the path of a named rule with these arguments, None for an unknown name."""
        if name in self.named_rules:
            return self.named_rules[name].reverse(*args)
        for rule in self.rules:
            if isinstance(rule.target, ReversibleRouter):
                path = rule.target.reverse_url(name, *args)
                if path is not None:
                    return path
        return None


def _as_rule(rule: RuleLike) -> Rule:
    """Make a rule of a tuple ``(pattern or matcher, target[, kwargs[, name]])``."""
    if isinstance(rule, Rule):
        return rule
    if not 2 <= len(rule) <= 4:
        raise ValueError(f"rule {rule!r}; 2 to 4 items are allowed")
    if not isinstance(rule[0], (str, re.Pattern)):
        return Rule(*rule)
    if isinstance(rule[1], (list, tuple, RuleRouter)):
        return Rule(PathMatches(rule[0]), *rule[1:])
    return URLSpec(*rule)


def _anchored(pattern: str) -> str:
    return pattern if pattern.endswith("$") else pattern + "$"


def _unquote(value: str | None) -> bytes | None:
    """Resolve the percent-encoding of a group; a raw byte of the target is one character."""
    if value is None:
        return None
    raw = value.encode("latin-1")
    return url_unescape(raw, encoding=None, plus=False) if b"%" in raw else raw


def _reversible(regex: Pattern[str]) -> tuple[str | None, int | None]:
    """Turn a pattern into a format string with ``%s`` for its groups.

    Returns:
        The format and its number of groups; None when the pattern is too involved.
    """
    pattern = regex.pattern.removeprefix("^").removesuffix("$")
    if regex.groups != pattern.count("("):
        return None, None
    pieces: list[str] = []
    for fragment in pattern.split("("):
        if ")" in fragment:
            end = fragment.index(")")
            fragment = "%s" + _unescaped(fragment[end + 1 :])
        else:
            fragment = _unescaped(fragment)
        if "\0" in fragment:
            return None, None
        pieces.append(fragment)
    return "".join(pieces), regex.groups


def _unescaped(fragment: str) -> str:
    """Resolve the escapes of a pattern between groups; NUL marks what has no one meaning."""
    text = re.sub(r"\\([A-Za-z0-9])", "\0", fragment)
    return re.sub(r"\\(.)", r"\1", text).replace("%", "%%")
