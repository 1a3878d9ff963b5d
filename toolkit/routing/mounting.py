"""Rules under a prefix."""

import copy
from collections.abc import Sequence
from typing import Any

from toolkit.routing.matchers import PrefixMatches
from toolkit.routing.router import ReversibleRuleRouter, RuleRouter
from toolkit.routing.rules import Rule, RuleLike, as_rule
from toolkit.routing.templates import Template


def mount(
    prefix: str, target: Any, kwargs: dict[str, Any] | None = None, name: str | None = None
) -> Rule:
    """Return a rule for all paths that are a prefix or lie below it.

    Example::

        users = [("/", UsersHandler, {}, "list"), ("/{id:int}", UserHandler, {}, "one")]
        Application([mount("/v1/users", users, name="v1"), mount("/v2/users", users, name="v2")])
        # reverse_url("v2:one", 7) == "/v2/users/7"

    Args:
        prefix: a path without a slash at its end; a template, whose values go to all targets.
        target: a list of rules, or a router that is made of one. Their paths are taken for what
            comes behind the prefix, and they themselves stay as they are, so that they can be
            mounted several times. A request that none of them matches goes to the rules behind
            the mount. Anything else gets all requests, and sees their whole paths; one that
            wants to know where it is, such as an `asgi.ASGIContainer`, is told by a method
            ``mounted_at(prefix)``, which returns what takes its place.
        kwargs: for a target that is no list.
        name: put before the names of the rules, with a colon; of anything else its name.
    """
    at = Template(prefix)
    matcher = PrefixMatches(at)
    rules = _rules(target)
    if rules is None:
        mounted_at = getattr(target, "mounted_at", None)
        if mounted_at is not None:
            target = mounted_at(prefix)
        return Rule(matcher, target, kwargs, name)
    if kwargs:
        raise ValueError(f"kwargs {kwargs!r} for a list of rules; each rule has its own")
    return Rule(matcher, [_moved(as_rule(rule), at, name) for rule in rules])


def _moved(rule: Rule, prefix: Template, name: str | None) -> Rule:
    """Return a rule as it is under a prefix."""
    moved = copy.copy(rule)
    moved.matcher = rule.matcher.under(prefix)
    if name and rule.name:
        moved.name = f"{name}:{rule.name}"
    rules = _rules(rule.target)
    if rules is not None:
        moved.target = [_moved(as_rule(inner), prefix, name) for inner in rules]
    return moved


def _rules(target: Any) -> Sequence[RuleLike] | None:
    """Return the rules that a target is made of, None for one that does more than its rules."""
    if type(target) in (RuleRouter, ReversibleRuleRouter):
        rules: list[Rule] = target.rules
        return rules
    return target if isinstance(target, (list, tuple)) else None
