"""Which rules a path may belong to, found by its segments and not by asking each rule."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from toolkit.httputil import HTTPServerRequest
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


class Candidate(NamedTuple):
    """A rule that a path may belong to.

    Attributes:
        place: among all rules.
        known: whether the path fits, so that only the values of a template are open.
        texts: of the parameters of a template, where the rule's matcher is one.
    """

    place: int
    rule: Rule
    known: bool = False
    texts: tuple[str, ...] = ()

    def arguments(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """Return what the rule's matcher does for a request with the path."""
        if not self.known:
            return self.rule.matcher.match(request)
        if not self.texts:
            return {}
        assert isinstance(self.rule.matcher, PathTemplate)
        return self.rule.matcher.arguments(self.texts)

    def fits(self, path: str) -> bool | None:
        """Say whether every request with the path fits; None when it depends on the request."""
        matcher = self.rule.matcher
        if type(matcher) is PathMatches:
            return matcher.regex.match(path) is not None
        if type(matcher) is AnyMatches:
            return True
        if self.known and isinstance(matcher, PathTemplate) and matcher.template.predictable:
            return matcher.arguments(self.texts) is not None
        return None


class _Node:
    """What may come at one depth of a path, behind the same segments."""

    __slots__ = ("below", "ends", "fixed", "prefixes", "rests", "shapes", "varies")

    def __init__(self) -> None:
        #: Whether there is anything here but fixed segments.
        self.varies = False
        self.fixed: dict[str, _Node] = {}
        self.shapes: dict[Any, tuple[Shape, _Node]] = {}
        #: Templates that end here, that take the rest, and prefixes that end here.
        self.ends: list[Candidate] = []
        self.rests: list[Candidate] = []
        self.below: list[Candidate] = []
        #: Regular expressions, by what the segment begins with, by the length of this.
        self.prefixes: dict[int, dict[str, list[Candidate]]] = {}

    def down(self, segment: str | Shape) -> "_Node":
        """Return the node behind a segment; it is made when missing."""
        if isinstance(segment, str):
            return self.fixed.setdefault(segment, _Node())
        self.varies = True
        return self.shapes.setdefault(segment.key, (segment, _Node()))[1]

    def collect(
        self, segments: Sequence[str], position: int, texts: tuple[str, ...], found: list[Candidate]
    ) -> None:
        """Append the candidates for the segments of a path from a position on.

        Args:
            texts: of the parameters in the segments before.
        """
        node: _Node | None = self
        count = len(segments)
        while node is not None:
            if node.varies:
                node._collect_here(segments, position, texts, found)
            if position == count:
                return
            node = node.fixed.get(segments[position])
            position += 1

    def _collect_here(
        self, segments: Sequence[str], position: int, texts: tuple[str, ...], found: list[Candidate]
    ) -> None:
        """Append the candidates that hang at this node, and those behind segments that vary."""
        for place, rule, known, _ in self.below:
            found.append(Candidate(place, rule, known, texts))
        if position == len(segments):
            for place, rule, known, _ in self.ends:
                found.append(Candidate(place, rule, known, texts))
            return
        segment = segments[position]
        for length, by_prefix in self.prefixes.items():
            found += by_prefix.get(segment[:length], ())
        if self.rests:
            with_rest = (*texts, "/".join(segments[position:]))
            for place, rule, known, _ in self.rests:
                found.append(Candidate(place, rule, known, with_rest))
        for shape, below in self.shapes.values():
            parts = shape.split(segment)
            if parts is not None:
                below.collect(segments, position + 1, texts + parts, found)


class PathIndex:
    """The rules of a router by their paths.

    Fixed paths are keys of a dict. Templates, and regular expressions that begin with fixed text,
    hang in a tree of segments. What else there is has to be asked.
    """

    def __init__(self) -> None:
        self._fixed: dict[str, list[Candidate]] = {}
        self._root = _Node()
        self._depth = 1
        # Rules that may match any path, in order.
        self._anywhere: list[Candidate] = []

    def add(self, place: int, rule: Rule) -> None:
        """Add a rule, whose place is behind those of the rules before."""
        matcher = rule.matcher
        by_path = _path_of(matcher)
        candidate = Candidate(place, rule, known=by_path is matcher)
        if by_path is None:
            self._anywhere.append(candidate)
        elif not isinstance(by_path, PrefixMatches) and by_path.literal is not None:
            self._fixed.setdefault(by_path.literal, []).append(candidate)
        elif isinstance(by_path, PathTemplate):
            self._add_template(candidate, by_path)
        else:
            self._add_regex(candidate._replace(known=False), by_path)

    def _add_template(self, candidate: Candidate, matcher: PathTemplate) -> None:
        template = matcher.template
        self._depth = max(self._depth, len(template.segments) + 1)
        node = self._root
        for segment in template.segments:
            node = node.down(segment)
        node.varies = True
        if isinstance(matcher, PrefixMatches):
            node.below.append(candidate)
        else:
            (node.ends if template.rest is None else node.rests).append(candidate)

    def _add_regex(self, candidate: Candidate, matcher: PathMatches) -> None:
        empty, *segments = patterns.literal_prefix(matcher.regex).split("/")
        if empty or not segments:
            self._anywhere.append(candidate)
            return
        self._depth = max(self._depth, len(segments))
        node = self._root
        for segment in segments[:-1]:
            node = node.down(segment)
        node.varies = True
        by_prefix = node.prefixes.setdefault(len(segments[-1]), {})
        by_prefix.setdefault(segments[-1], []).append(candidate)

    def candidates(self, path: str) -> Iterable[Candidate]:
        """Return the rules that the path may belong to, in order."""
        found = list(self._fixed.get(path, ()))
        if path[:1] == "/":
            # The last of these is all the rest of a path that is deeper than the tree.
            self._root.collect(path[1:].split("/", self._depth), 0, (), found)
        if len(found) > 1:
            found.sort(key=_place)
        return _merged(found, self._anywhere) if self._anywhere else found

    def covering(self, matcher: PathTemplate) -> list[Candidate]:
        """Return the templates and prefixes that match all that a template or a prefix does."""
        found: list[Candidate] = []
        _cover(self._root, matcher.template.segments, matcher, found)
        found.sort(key=_place)
        return [candidate for candidate in found if candidate.known]


def _merged(some: list[Candidate], others: list[Candidate]) -> Iterator[Candidate]:
    """Yield the candidates of both lists in order; only those are looked at that are asked for."""
    position = 0
    for candidate in some:
        while position < len(others) and others[position].place < candidate.place:
            yield others[position]
            position += 1
        yield candidate
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


def _place(candidate: Candidate) -> int:
    return candidate.place


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
