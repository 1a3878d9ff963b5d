"""Matchers for what is not the path: the method, a header, the query, a function of the user's."""

import re
from collections.abc import Callable
from re import Pattern
from typing import Any

from toolkit.httputil import HTTPInputError, HTTPServerRequest
from toolkit.routing.matchers import Matcher


class MethodMatches(Matcher):
    """Matches requests of some methods: ``path("/items") & MethodMatches("PUT", "PATCH")``."""

    def __init__(self, *methods: str) -> None:
        self.methods = frozenset(methods)
        for method in methods:
            if method != method.upper():
                raise ValueError(f"method {method!r}; methods are in capitals")

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        return {} if request.method in self.methods else None

    def __repr__(self) -> str:
        return f"MethodMatches({', '.join(map(repr, sorted(self.methods)))})"


class HeaderMatches(Matcher):
    """Matches requests with a header, or with one that has some value.

    Args:
        pattern: a regular expression for the whole of one of its values; None for any.
    """

    def __init__(self, name: str, pattern: str | Pattern[str] | None = None) -> None:
        self.name = name
        self.pattern = _compiled(pattern)

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        values = request.headers.get_list(self.name)
        return {} if any(self.pattern.fullmatch(value) for value in values) else None

    def __repr__(self) -> str:
        return f"HeaderMatches({self.name!r}, {self.pattern.pattern!r})"


class QueryMatches(Matcher):
    """Matches requests with an argument in the query, or with one that has some value.

    Args:
        pattern: a regular expression for the whole of one of its values; None for any.
    """

    def __init__(self, name: str, pattern: str | Pattern[str] | None = None) -> None:
        self.name = name
        self.pattern = _compiled(pattern)

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        try:
            found = request.query_arguments.get(self.name, [])
        except HTTPInputError:
            return None  # a handler that reads the query answers 400
        values = (value.decode("utf-8", "replace") for value in found)
        return {} if any(self.pattern.fullmatch(value) for value in values) else None

    def __repr__(self) -> str:
        return f"QueryMatches({self.name!r}, {self.pattern.pattern!r})"


class Where(Matcher):
    """Matches requests for which a function returns True, or arguments for the target.

    Example::

        Where(lambda request: request.remote_ip == "127.0.0.1")
    """

    def __init__(self, predicate: Callable[[HTTPServerRequest], bool | dict[str, Any]]) -> None:
        self.predicate = predicate

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        found = self.predicate(request)
        if isinstance(found, dict):
            return found
        return {} if found else None

    def __repr__(self) -> str:
        return f"Where({self.predicate!r})"


def _compiled(pattern: str | Pattern[str] | None) -> Pattern[str]:
    if pattern is None:
        return re.compile(".*", re.DOTALL)
    return re.compile(pattern)
