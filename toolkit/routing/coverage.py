"""Which rules can never be reached, since one before takes all of their requests."""

from toolkit.httputil import HTTPServerConnectionDelegate
from toolkit.routing import patterns
from toolkit.routing.index import PathIndex, fixed_path
from toolkit.routing.matchers import AllMatch, AnyMatches, Matcher, PathMatches, PathTemplate
from toolkit.routing.rules import Rule


class Coverage:
    """What the rules of a router take among them.

    It says only what is sure: a rule that it names is never reached, one that it does not name
    may be.

    Args:
        index: of the same rules.
    """

    def __init__(self, index: PathIndex) -> None:
        self._index = index
        self._all: Rule | None = None
        self._regexes: dict[tuple[str, int], Rule] = {}
        # Rules that take all paths with a prefix, by the prefix, and the lengths of these.
        self._prefixes: dict[str, Rule] = {}
        self._lengths: set[int] = set()

    def add(self, rule: Rule) -> None:
        """Add a rule."""
        if not is_final(rule):
            return
        matcher = rule.matcher
        if type(matcher) is AnyMatches:
            self._all = self._all or rule
        elif type(matcher) is PathMatches:
            self._regexes.setdefault(_key(matcher), rule)
            prefix = patterns.prefix_of_all(matcher.regex)
            if prefix == "":
                self._all = self._all or rule
            elif prefix is not None:
                self._prefixes.setdefault(prefix, rule)
                self._lengths.add(len(prefix))

    def rule_before(self, rule: Rule) -> Rule | None:
        """Return a rule that takes all requests of one that is to come, None without one."""
        if self._all is not None:
            return self._all
        matcher: Matcher | None = rule.matcher
        if isinstance(matcher, AllMatch):
            matcher = matcher.path
        path = fixed_path(matcher)
        if path is not None:
            return self._taking(path)
        if type(matcher) is PathMatches:
            same = self._regexes.get(_key(matcher))
            return same or self._with_prefix(patterns.literal_prefix(matcher.regex))
        if isinstance(matcher, PathTemplate):
            return self._covering(matcher)
        return None

    def _taking(self, path: str) -> Rule | None:
        """Return the rule that takes a path."""
        for candidate, texts in self._index.candidates(path):
            if is_final(candidate.rule) and candidate.fits(path, texts):
                return candidate.rule
        return None

    def _covering(self, matcher: PathTemplate) -> Rule | None:
        """Return the rule that takes all that a template does."""
        for candidate in self._index.covering(matcher):
            if is_final(candidate.rule):
                return candidate.rule
        return self._with_prefix(matcher.template.fixed_prefix)

    def _with_prefix(self, text: str) -> Rule | None:
        """Return the rule that takes all paths that begin like this."""
        for length in sorted(self._lengths):
            if len(text) >= length and text[:length] in self._prefixes:
                return self._prefixes[text[:length]]
        return None


def is_final(rule: Rule) -> bool:
    """Say whether a request that comes to a rule stays with it; a router may pass it on."""
    target = rule.target
    return callable(target) and not isinstance(target, HTTPServerConnectionDelegate)


def _key(matcher: PathMatches) -> tuple[str, int]:
    return matcher.regex.pattern.removeprefix("^"), matcher.regex.flags
