"""Which target a request goes to: rules with matchers, tried in order."""

from toolkit.routing.conditions import HeaderMatches, MethodMatches, QueryMatches, Where
from toolkit.routing.converters import Converter, register_converter
from toolkit.routing.matchers import (
    AllMatch,
    AnyMatches,
    DefaultHostMatches,
    HostMatches,
    Matcher,
    PathMatches,
    PathTemplate,
    PrefixMatches,
    path,
)
from toolkit.routing.mounting import mount
from toolkit.routing.router import ReversibleRouter, ReversibleRuleRouter, Router, RuleRouter
from toolkit.routing.rules import Match, Rule, RuleLike, URLSpec

__all__ = [
    "AllMatch",
    "AnyMatches",
    "Converter",
    "DefaultHostMatches",
    "HeaderMatches",
    "HostMatches",
    "Match",
    "Matcher",
    "MethodMatches",
    "PathMatches",
    "PathTemplate",
    "PrefixMatches",
    "QueryMatches",
    "ReversibleRouter",
    "ReversibleRuleRouter",
    "Router",
    "Rule",
    "RuleLike",
    "RuleRouter",
    "URLSpec",
    "Where",
    "mount",
    "path",
    "register_converter",
]
