"""Which rules a path may belong to, found by its segments and not by asking each rule."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from toolkit.routing import patterns
from toolkit.routing.converters import PATH, PLAIN, Converter
from toolkit.routing.matchers import (
    AllMatch,
    AnyMatches,
    Matcher,
    PathMatches,
    PathTemplate,
    PrefixMatches,
)
from toolkit.routing.rules import Rule
from toolkit.routing.templates import Shape


class Candidate:
    """A rule that some paths may belong to.

    Attributes:
        place: among all rules.
        plain: whether it depends on the path alone, and a path always comes to the same.
        known: whether a path that leads here fits, so that only the values of a template are
            open.
        leads_on: whether the rule leads to another router, which may pass a request on.
    """

    # With slots, as these are looked at in each request; a named tuple takes four times as long.
    __slots__ = ("known", "leads_on", "place", "plain", "rule")

    def __init__(self, place: int, rule: Rule, known: bool, leads_on: bool) -> None:
        self.place = place
        self.rule = rule
        self.plain = type(rule.matcher) is PathMatches and not leads_on
        self.known = known
        self.leads_on = leads_on

    def arguments(self, texts: tuple[str, ...]) -> dict[str, Any] | None:
        """Return what the rule's matcher does for a path with these texts, where it is `known`.

        Args:
            texts: of the parameters of a template, where the rule's matcher is one.
        """
        if not texts:
            return {}
        assert isinstance(self.rule.matcher, PathTemplate)
        return self.rule.matcher.arguments(texts)

    def fits(self, path: str, texts: tuple[str, ...]) -> bool | None:
        """Say whether every request with the path fits; None when it depends on the request."""
        matcher = self.rule.matcher
        if type(matcher) is PathMatches:
            return matcher.regex.match(path) is not None
        if type(matcher) is AnyMatches:
            return True
        if self.known and isinstance(matcher, PathTemplate) and matcher.template.predictable:
            return matcher.arguments(texts) is not None
        return None


#: A rule that a path may belong to, and the texts of the parameters of its template.
Found = tuple[Candidate, tuple[str, ...]]


class _Node:
    """What may come at one depth of a path, behind the same segments."""

    __slots__ = ("below", "ends", "fixed", "prefixes", "rests", "shapes", "varies")

    def __init__(self) -> None:
        #: Whether a template may go on here with anything but a fixed segment.
        self.varies = False
        self.fixed: dict[str, _Node] = {}
        self.shapes: dict[Any, tuple[Shape, _Node]] = {}
        #: Templates that end here, that take the rest, and prefixes that end here.
        self.ends: list[Candidate] = []
        self.rests: list[Candidate] = []
        self.below: list[Candidate] = []
        #: Regular expressions, by what the segment begins with, by the length of this.
        self.prefixes: list[tuple[int, dict[str, list[Found]]]] = []

    def down(self, segment: str | Shape) -> "_Node":
        """Return the node behind a segment; it is made when missing."""
        if isinstance(segment, str):
            return self.fixed.setdefault(segment, _Node())
        self.varies = True
        return self.shapes.setdefault(segment.key, (segment, _Node()))[1]

    def collect(
        self, segments: Sequence[str], position: int, texts: tuple[str, ...], found: list[Found]
    ) -> None:
        """Append the candidates for the segments of a path from a position on.

        Args:
            texts: of the parameters in the segments before.
        """
        node: _Node | None = self
        while node is not None:
            if position == len(segments):
                for candidate in (*node.below, *node.ends):
                    found.append((candidate, texts))
                return
            segment = segments[position]
            for length, by_prefix in node.prefixes:
                found += by_prefix.get(segment[:length], ())
            if node.varies:
                node._collect_templates(segments, position, texts, found)
            node = node.fixed.get(segment)
            position += 1

    def _collect_templates(
        self, segments: Sequence[str], position: int, texts: tuple[str, ...], found: list[Found]
    ) -> None:
        """Append those that take the rest of a path, and those behind segments that vary."""
        for candidate in self.below:
            found.append((candidate, texts))
        if self.rests:
            with_rest = (*texts, "/".join(segments[position:]))
            for candidate in self.rests:
                found.append((candidate, with_rest))
        segment = segments[position]
        for shape, below in self.shapes.values():
            parts = shape.split(segment)
            if parts is not None:
                below.collect(segments, position + 1, texts + parts, found)

    def add_prefix(self, prefix: str, candidate: Candidate) -> None:
        """Hang a regular expression here, by what its segment begins with."""
        by_length = dict(self.prefixes)
        by_length.setdefault(len(prefix), {}).setdefault(prefix, []).append((candidate, ()))
        self.prefixes = list(by_length.items())


class PathIndex:
    """The rules of a router by their paths.

    Fixed paths are keys of a dict. Templates, and regular expressions that begin with fixed text,
    hang in a tree of segments. What else there is has to be asked.
    """

    def __init__(self) -> None:
        self._fixed: dict[str, list[Found]] = {}
        self._root = _Node()
        self._depth = 2  # one more than the segments that are looked at
        # Rules that may match any path, in order.
        self._anywhere: list[Found] = []

    def add(self, place: int, rule: Rule, leads_on: bool) -> None:
        """Add a rule, whose place is behind those of the rules before.

        Args:
            leads_on: whether it leads to another router.
        """
        matcher = rule.matcher
        by_path = _path_of(matcher)
        literal = fixed_path(by_path)
        known = by_path is matcher and (literal is not None or isinstance(by_path, PathTemplate))
        candidate = Candidate(place, rule, known, leads_on)
        if by_path is None:
            self._anywhere.append((candidate, ()))
        elif literal is not None:
            self._fixed.setdefault(literal, []).append((candidate, ()))
        elif isinstance(by_path, PathTemplate):
            self._add_template(candidate, by_path)
        else:
            self._add_regex(candidate, by_path)

    def _add_template(self, candidate: Candidate, matcher: PathTemplate) -> None:
        template = matcher.template
        self._depth = max(self._depth, len(template.segments) + 2)
        node = self._root
        for segment in template.segments:
            node = node.down(segment)
        if isinstance(matcher, PrefixMatches):
            node.varies = True
            node.below.append(candidate)
        elif template.rest is not None:
            node.varies = True
            node.rests.append(candidate)
        else:
            node.ends.append(candidate)

    def _add_regex(self, candidate: Candidate, matcher: PathMatches) -> None:
        empty, *segments = patterns.literal_prefix(matcher.regex).split("/")
        if empty or not segments:
            self._anywhere.append((candidate, ()))
            return
        self._depth = max(self._depth, len(segments) + 1)
        node = self._root
        for segment in segments[:-1]:
            node = node.down(segment)
        node.add_prefix(segments[-1], candidate)

    def candidates(self, path: str) -> Iterable[Found]:
        """Return the rules that the path may belong to, in order."""
        found = list(self._fixed.get(path, ()))
        # The last of these is all the rest of a path that is deeper than the tree.
        segments = path.split("/", self._depth)
        if not segments[0]:
            self._root.collect(segments, 1, (), found)
        if len(found) > 1:
            found.sort(key=_place)
        return _merged(found, self._anywhere) if self._anywhere else found

    def covering(self, matcher: PathTemplate) -> list[Candidate]:
        """Return the templates and prefixes that match all that a template or a prefix does."""
        found: list[Candidate] = []
        _cover(self._root, matcher.template.segments, matcher, found)
        found.sort(key=lambda candidate: candidate.place)
        return [candidate for candidate in found if candidate.known]


def _merged(some: list[Found], others: list[Found]) -> Iterator[Found]:
    """Yield the candidates of both lists in order; only those are looked at that are asked for."""
    position = 0
    for one in some:
        while position < len(others) and _place(others[position]) < _place(one):
            yield others[position]
            position += 1
        yield one
    while position < len(others):
        yield others[position]
        position += 1


def _cover(
    node: _Node, segments: Sequence[str | Shape], matcher: PathTemplate, found: list[Candidate]
) -> None:
    """Append the candidates of a node that match all that a template does.

    Args:
        segments: of the template, from this node on.
    """
    found += node.below
    is_prefix = isinstance(matcher, PrefixMatches)
    rest = matcher.template.rest
    if not is_prefix and (rest is not None or (segments and segments[0] != "")):
        for candidate in node.rests:
            taken = _rest_of(candidate)
            if (taken is PATH and rest in (None, PATH)) or (taken is rest and not segments):
                found.append(candidate)
    if not segments:
        if rest is None and not is_prefix:
            found += node.ends
        return
    first, others = segments[0], segments[1:]
    if isinstance(first, str) and first in node.fixed:
        _cover(node.fixed[first], others, matcher, found)
    for shape, below in node.shapes.values():
        takes_any = shape.bare and shape.converters == (PLAIN,) and first != ""
        if takes_any or (isinstance(first, Shape) and first.key == shape.key):
            _cover(below, others, matcher, found)


def _rest_of(candidate: Candidate) -> Converter | None:
    matcher = candidate.rule.matcher
    return matcher.template.rest if isinstance(matcher, PathTemplate) else None


def _place(found: Found) -> int:
    return found[0].place


def fixed_path(matcher: Matcher | None) -> str | None:
    """Return the path that a matcher asks for and nothing else, None when there is none."""
    if type(matcher) is PathMatches or type(matcher) is PathTemplate:
        return matcher.literal
    return None


def _path_of(matcher: Matcher) -> PathMatches | PathTemplate | None:
    """Return the part of a matcher that says which paths; None when that cannot be told."""
    by_path = matcher.path if isinstance(matcher, AllMatch) else matcher
    # A subclass may match as it likes.
    known = type(by_path) in (PathMatches, PathTemplate, PrefixMatches)
    return by_path if known else None  # type: ignore[return-value]  # narrowed by `type`
