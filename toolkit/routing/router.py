"""Routers: what finds the target of a request."""

import copy
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any

from toolkit.http1connection import ExchangeDelegate, serve_callable, serve_delegate
from toolkit.httpserver import Lifespan, lifespan_of
from toolkit.httputil import (
    HTTPConnection,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    HTTPServerRequest,
    date_now,
)
from toolkit.log import app_log, gen_log
from toolkit.routing.coverage import Coverage
from toolkit.routing.index import PathIndex, fixed_path
from toolkit.routing.matchers import joined
from toolkit.routing.rules import Match, Rule, RuleLike, as_rule
from toolkit.routing.templates import TemplateArguments
from toolkit.wire.events import ResponseHead
from toolkit.wire.http1.memory import LONGEST, Memory

_NONE: Mapping[str, Any] = MappingProxyType({})

#: The methods of RFC 9110 and RFC 5789 that a target may take.
_METHODS = ("GET", "HEAD", "POST", "DELETE", "PATCH", "PUT", "OPTIONS")


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

    def reverse_url(self, name: str, *args: Any, **kwargs: Any) -> str | None:
        """Return the path of a named route with these arguments, None for an unknown name.

        Args:
            kwargs: arguments of the path by name, and those of a query.
        """
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


class RuleRouter(Router):
    """Tries rules in order; the first that matches wins.

    What a request costs does not grow with the number of rules: only those are tried that the
    fixed text in their paths does not rule out.

    Args:
        rules: the target of a rule may be another router, a `web.Application` or another
            `httputil.HTTPServerConnectionDelegate`, a function of the request, or a list of
            rules.

    Attributes:
        rules: in order; `add_rules` adds more.
        life: the lifespans of applications that the rules lead to.
    """

    def __init__(self, rules: Sequence[RuleLike] | None = None) -> None:
        self.rules: list[Rule] = []
        self.life = Lifespan()
        # What fixed paths come to, as far as that depends on nothing else.
        self._direct: dict[str, Match] = {}
        # What paths have come to by regular expressions.
        self._seen: Memory[str, Match] = Memory()
        self._index = PathIndex()
        self._coverage = Coverage(self._index)
        if rules:
            self.add_rules(rules)

    def add_rules(self, rules: Sequence[RuleLike]) -> None:
        """Append rules. One that can never be reached is told to `report_unreachable`."""
        for rule in rules:
            made = self.process_rule(as_rule(rule))
            for target in (made.target, made.target_kwargs.get("fallback")):
                life = lifespan_of(target)
                if life is not None:
                    self.life.include(life)
            before = self._coverage.rule_before(made)
            if before is not None:
                self.report_unreachable(made, before)
            self._add_direct(made)
            self._index.add(len(self.rules), made, isinstance(made.target, RuleRouter))
            self._coverage.add(made)
            self.rules.append(made)

    def _add_direct(self, rule: Rule) -> None:
        """Note what a rule's path comes to, if it is a fixed one that no rule before may take."""
        path = fixed_path(rule.matcher)
        if path is None or isinstance(rule.target, RuleRouter):
            return
        before = self._index.candidates(path)
        if all(candidate.fits(path, texts) is False for candidate, texts in before):
            self._direct[path] = rule.target, rule.target_kwargs, (), _NONE

    def process_rule(self, rule: Rule) -> Rule:
        """Return the rule to keep; for subclasses to override."""
        if isinstance(rule.target, (list, tuple)):
            rule.target = type(self)(rule.target)
        return rule

    def report_unreachable(self, rule: Rule, before: Rule) -> None:
        """Log that a rule is never reached; for subclasses to override, and to raise.

        Args:
            before: the rule that takes all of its requests.
        """
        app_log.warning(
            "Rule %d, %s, is never reached: rule %d, %s, takes all of its requests",
            len(self.rules) + 1,
            _described(rule),
            self.rules.index(before) + 1,
            _described(before),
        )

    def match(self, request: HTTPServerRequest) -> Match | None:
        """Return what the request goes to, None when no rule matches."""
        path = request.path
        known = self._direct.get(path) or self._seen.get(path)
        if known is not None:
            return known
        plain = len(path) <= LONGEST
        for candidate, texts in self._index.candidates(path):
            rule = candidate.rule
            plain = plain and candidate.plain
            arguments = (
                candidate.arguments(texts) if candidate.known else rule.matcher.match(request)
            )
            if arguments is None:
                continue
            named = arguments.get("path_kwargs", _NONE)
            if not candidate.leads_on:
                match = rule.target, rule.target_kwargs, arguments.get("path_args", ()), named
                if plain:
                    self._seen.keep(path, match)
                return match
            inner: Match | None = rule.target.match(request)
            if inner is not None:
                if type(named) is not TemplateArguments:
                    return inner
                target, target_kwargs, args, own = inner
                return target, target_kwargs, args, TemplateArguments({**named, **own})
        return None

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
        """Return the delegate of the first rule that matches and has one."""
        outer = kwargs.get("path_kwargs")
        for candidate, texts in self._index.candidates(request.path):
            rule = candidate.rule
            arguments = (
                candidate.arguments(texts) if candidate.known else rule.matcher.match(request)
            )
            if arguments is None:
                continue
            if type(outer) is TemplateArguments:
                arguments = joined({"path_kwargs": outer}, arguments)
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

    def allowed_methods(self, request: HTTPServerRequest) -> list[str]:
        """Return the methods for which some rule would take the request, and its target too.

        A handler class says them by `allowed_methods()`, an application by
        `allowed_methods(request)`; another target is taken to have all.
        """
        methods = list(_METHODS)
        allowed = []
        for method in methods:  # which grows by those of the targets
            asked = copy.copy(request)
            asked.method = method
            match = self.match(asked)
            if match is None:
                continue
            taken = _methods_of(match[0], asked)
            methods += [other for other in taken if other not in methods]
            if method in taken:
                allowed.append(method)
        return allowed

    def other_slash(self, request: HTTPServerRequest) -> str | None:
        """Return the path without its slash at the end, or with one, if some rule would match it.

        For a redirect: it is a path of this host, never one that is read as another host's.
        """
        path = request.path
        other = path[:-1] if path.endswith("/") else path + "/"
        # Two slashes at the beginning name a host; browsers pass over control characters, and
        # take a backslash for a slash.
        start = re.sub(r"[\x00-\x20]", "", other)[:2]
        if not start.startswith("/") or start in ("//", "/\\"):
            return None
        asked = copy.copy(request)
        asked.path = other
        asked.uri = f"{other}?{request.query}" if request.query else other
        return other if self.match(asked) is not None else None


class ReversibleRuleRouter(ReversibleRouter, RuleRouter):
    """A `RuleRouter` whose named rules can be turned back into paths."""

    def __init__(self, rules: Sequence[RuleLike] | None = None) -> None:
        self.named_rules: dict[str, Rule] = {}
        self._inner: list[ReversibleRouter] = []
        super().__init__(rules)

    def process_rule(self, rule: Rule) -> Rule:
        rule = super().process_rule(rule)
        if isinstance(rule.target, ReversibleRouter):
            self._inner.append(rule.target)
        if rule.name:
            if rule.name in self.named_rules:
                app_log.warning("Multiple handlers named %s; replacing previous value", rule.name)
            self.named_rules[rule.name] = rule
        return rule

    def reverse_url(self, name: str, *args: Any, **kwargs: Any) -> str | None:
        """Return the path of a named rule with these arguments, None for an unknown name.

        Args:
            kwargs: arguments of the path by name; the others become its query.
        """
        if name in self.named_rules:
            return self.named_rules[name].reverse(*args, **kwargs)
        for router in self._inner:
            # An application raises KeyError for a name that it does not know.
            with suppress(KeyError):
                path = router.reverse_url(name, *args, **kwargs)
                if path is not None:
                    return path
        return None


def _described(rule: Rule) -> str:
    """Return what a message says of a rule."""
    target = getattr(rule.target, "__qualname__", rule.target)
    return f"{rule.matcher!r} -> {target} ({rule.place})"


def _methods_of(target: Any, request: HTTPServerRequest) -> Sequence[str]:
    """Return the methods that a target takes."""
    own = getattr(target, "allowed_methods", None)
    if own is None:
        return _METHODS
    methods: Sequence[str] = own() if isinstance(target, type) else own(request)
    return methods
