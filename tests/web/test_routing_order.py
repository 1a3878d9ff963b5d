"""A router finds what trying its rules one after the other finds."""

import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.httputil import HTTPServerRequest
from toolkit.routing import (
    HostMatches,
    Matcher,
    MethodMatches,
    PathMatches,
    PathTemplate,
    PrefixMatches,
    Rule,
    RuleRouter,
    Where,
)

#: Segments of patterns; those of paths are made of the same letters.
SEGMENTS = ["a", "b", "ab", "1", "", "%2E", "a-b"]
PARAMETERS = ["{%s}", "{%s:int}", "a{%s}", "{%s}-{%sx}", "{%s}b", "{%s:date}"]
REGEXES = ["([ab]+)", "[^/]*", "(.*)", "(?:a|b)", "a*", "ab?", "a{2}", r"\d+", r"a\-b", "a+b", "."]
ENDS = ["", "/", "/?", "$", "|/b", "(?:/a)?", "b*"]


def target() -> type:
    """Make a target that is told apart from others."""
    return type("Target", (), {})


@st.composite
def templates(draw: st.DrawFn) -> str:
    """Draw a template."""
    parts = draw(st.lists(st.sampled_from(SEGMENTS[:4] + PARAMETERS), min_size=1, max_size=3))
    named = [part.replace("%s", f"p{number}") for number, part in enumerate(parts)]
    return "/" + "/".join(named) + draw(st.sampled_from(["", "", "/", "/{rest:path}"]))


@st.composite
def regexes(draw: st.DrawFn) -> str:
    """Draw a regular expression."""
    parts = draw(st.lists(st.sampled_from(SEGMENTS + REGEXES), min_size=1, max_size=3))
    start = draw(st.sampled_from(["/", "/", "/", "^/", ""]))
    return start + "/".join(parts) + draw(st.sampled_from(ENDS))


def by_path() -> st.SearchStrategy[Matcher]:
    """Draw a matcher of the path."""
    return st.one_of(
        templates().map(PathTemplate),
        regexes().map(PathMatches),
        regexes().map(lambda pattern: PathMatches(re.compile(pattern, re.IGNORECASE))),
        regexes().map(lambda pattern: PathMatches(re.compile(pattern))),
        st.sampled_from(["/a", "/a/b", "/{x}", "/a/{x:int}"]).map(PrefixMatches),
    )


@st.composite
def rules(draw: st.DrawFn) -> list[Rule]:
    """Draw a list of rules, which may hold further ones."""
    made = []
    for _ in range(draw(st.integers(1, 8))):
        matcher = draw(by_path())
        if draw(st.integers(0, 4)) == 0:
            matcher &= draw(st.sampled_from([MethodMatches("GET"), MethodMatches("PUT")]))
        elif draw(st.integers(0, 9)) == 0:
            matcher = draw(
                st.sampled_from([HostMatches("h"), Where(lambda request: "a" in request.path)])
            )
        inner = draw(st.lists(by_path(), max_size=3)) if draw(st.integers(0, 4)) == 0 else None
        if inner is None:
            made.append(Rule(matcher, target()))
        else:
            made.append(Rule(matcher, [Rule(one, target()) for one in inner]))
    return made


PATHS = st.one_of(
    st.lists(st.sampled_from(["a", "b", "ab", "aa", "1", "", "%2E", "a-b", "ab-", "x"]), max_size=4)
    .map("/".join)
    .map("/".__add__),
    st.text("ab/1-%2E", max_size=8),
)


def one_by_one(rules: Any, request: HTTPServerRequest) -> tuple[Any, dict[str, Any]] | None:
    """Return the first target whose rule matches, with the arguments, by asking each rule."""
    for rule in rules:
        arguments = rule.matcher.match(request)
        if arguments is None:
            continue
        if not isinstance(rule.target, RuleRouter):
            return rule.target, arguments
        inner = one_by_one(rule.target.rules, request)
        if inner is not None:
            return inner
    return None


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Keep silent of rules that are never reached."""
    logger = logging.getLogger("toolkit.application")
    logger.disabled = True
    yield
    logger.disabled = False


@settings(max_examples=150, deadline=None)
@given(rules(), st.lists(PATHS, min_size=1, max_size=8))
def test_the_first_rule_that_matches_wins(rules: list[Rule], paths: list[str]) -> None:
    """With the arguments that its matcher gives."""
    router = RuleRouter(rules)
    for path in paths:
        request = HTTPServerRequest("GET", host="h")
        request.path = path
        expected = one_by_one(router.rules, request)
        match = router.match(request)
        if expected is None or match is None:
            assert match is None
            assert expected is None
            continue
        found, arguments = expected
        assert match[0] is found
        assert list(match[2]) == arguments.get("path_args", [])
        assert match[3].items() >= arguments.get("path_kwargs", {}).items()


@settings(max_examples=150, deadline=None)
@given(rules(), st.lists(PATHS, min_size=1, max_size=20))
def test_what_is_said_to_be_never_reached_never_is(rules: list[Rule], paths: list[str]) -> None:
    """Each rule that is reported has another before it wherever it matches."""
    reported: list[Any] = []

    class Noting(RuleRouter):
        def report_unreachable(self, rule: Rule, before: Rule) -> None:
            reported.append(rule.target)
            assert before in self.rules

    router = Noting(rules)
    for path in paths:
        request = HTTPServerRequest("GET", host="h")
        request.path = path
        expected = one_by_one(router.rules, request)
        assert expected is None or expected[0] not in reported
