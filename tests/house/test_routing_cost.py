"""What finding a rule costs: matchers are counted, never timed."""

import sys
from types import FrameType
from typing import Any

import pytest

from toolkit.httputil import HTTPServerRequest
from toolkit.routing import MethodMatches, RuleRouter, mount, path


class Target:
    """Stands for a handler."""


def fixed(number: int) -> Any:
    """Make a rule for a fixed path."""
    return (f"/page{number}/about.html".replace(".", r"\."), Target)


def template(number: int) -> Any:
    """Make a rule for a template that differs in its first segment."""
    return (f"/shop{number}/{{id:int}}", Target)


def deep_template(number: int) -> Any:
    """Make a rule for a template that differs behind a parameter."""
    return (f"/users/{{name}}/list{number}/{{id:int}}", Target)


def regex(number: int) -> Any:
    """Make a rule for a regular expression that differs in a segment."""
    return (f"/api/v{number}/([0-9]+)", Target)


def partial_regex(number: int) -> Any:
    """Make a rule for a regular expression that differs within the segment of its group."""
    return (f"/item{number}-([0-9]+)", Target)


def with_method(number: int) -> Any:
    """Make a rule that has a condition too."""
    return (path(f"/form{number}/{{id}}") & MethodMatches("GET"), Target)


def mounted(number: int) -> Any:
    """Make a list of rules under a prefix."""
    return mount(f"/part{number}", [("/([a-z]+)", Target), ("/{id:int}", Target)])


#: Each kind of rule with a path that the rule of a number matches.
KINDS = {
    fixed: "/page{}/about.html",
    template: "/shop{}/7",
    deep_template: "/users/x/list{}/7",
    regex: "/api/v{}/7",
    partial_regex: "/item{}-7",
    with_method: "/form{}/7",
    mounted: "/part{}/7",
}


def calls_of(router: RuleRouter, target: str, found: bool) -> tuple[int, int]:
    """Return how many matchers are asked about a path, and how many calls there are in all."""
    request = HTTPServerRequest("GET", target, host="h")
    asked: list[str] = []
    calls: list[str] = []

    def count(frame: FrameType, event: str, _argument: object) -> None:
        # Others may be called by the cycle collector.
        if event == "call" and frame.f_globals.get("__name__", "").startswith("toolkit."):
            name = frame.f_code.co_qualname
            calls.append(name)
            if name.endswith("Matches.match") or name == "PathTemplate.arguments":
                asked.append(name)

    sys.setprofile(count)
    try:
        match = router.match(request)
    finally:
        sys.setprofile(None)
    assert (match is not None) is found
    return len(asked), len(calls)


@pytest.mark.feature("G10")
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_thousand_rules_of_a_kind_cost_what_ten_do(kind: Any) -> None:
    """The first, the middle and the last one; a path that no rule has costs no more."""
    costs = {}
    for count in (10, 1000):
        router = RuleRouter([kind(number) for number in range(count)])
        numbers = (0, count // 2, count - 1)
        costs[count] = [calls_of(router, KINDS[kind].format(number), True) for number in numbers]
        costs[count].append(calls_of(router, KINDS[kind].format("none"), False))
    # Rules of other lengths, such as "item9-" and "item10-", are looked up, not asked.
    assert [asked for asked, _ in costs[1000]] == [asked for asked, _ in costs[10]]
    assert max(calls for _, calls in costs[1000]) == max(calls for _, calls in costs[10])


@pytest.mark.feature("G10")
def test_a_thousand_rules_of_all_kinds_cost_what_ten_of_each_do() -> None:
    """However they are mixed; a fixed path is found by one look-up, without any other call."""
    costs = {}
    for count in (10, 1000):
        router = RuleRouter([kind(number) for number in range(count) for kind in KINDS])
        costs[count] = {
            kind: calls_of(router, target.format(count - 1), True) for kind, target in KINDS.items()
        }
    assert costs[1000] == costs[10]
    assert costs[1000][fixed] == (0, 1)


def test_rules_before_that_cannot_take_a_fixed_path_cost_it_nothing() -> None:
    """That is found out when it is added; conditions that a request decides are asked."""
    before = [("/([a-z]+)", Target), ("/page1/([0-9]+)", Target), ("/{x:int}/{y}", Target)]
    assert calls_of(RuleRouter([*before, fixed(1)]), "/page1/about.html", True) == (0, 1)
    before = [(MethodMatches("PUT"), Target)]
    assert calls_of(RuleRouter([*before, fixed(1)]), "/page1/about.html", True)[0] == 1
