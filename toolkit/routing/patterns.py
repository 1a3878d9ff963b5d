"""What can be known of a regular expression for paths without running it."""

import re
from re import Pattern

#: Characters that mean themselves in a regular expression and are usual in paths.
_LITERAL = re.compile(r"(?:[A-Za-z0-9_/~%=&,:;@!'\"<>#-]|\\[^A-Za-z0-9])*")

#: The units of a pattern: an escape, a set of characters, any other character.
_UNIT = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.", re.DOTALL)

#: What matches whatever comes, at the end of a pattern.
_ANYTHING = re.compile(r"\.\*|\((?:\?:|\?P<\w+>)?\.\*\)")

#: Under these a pattern does not mean what it looks like.
_ODD_FLAGS = re.IGNORECASE | re.VERBOSE | re.MULTILINE


def anchored(pattern: str) -> str:
    """Return a pattern that matches only to the end."""
    return pattern if pattern.endswith("$") else pattern + "$"


def literal(regex: Pattern[str]) -> str | None:
    """Return the one path that a pattern matches, None when it may match others."""
    pattern = regex.pattern.removeprefix("^")
    if not pattern.endswith("$") or regex.flags & _ODD_FLAGS:
        return None
    return _plain(pattern[:-1]) if _LITERAL.fullmatch(pattern, 0, len(pattern) - 1) else None


def literal_prefix(regex: Pattern[str]) -> str:
    """Return what all paths begin with that a pattern matches; "" when it cannot be told."""
    if regex.flags & _ODD_FLAGS or has_alternatives(regex):
        return ""
    pattern = regex.pattern.removeprefix("^")
    found = _LITERAL.match(pattern)
    assert found is not None  # it matches the empty string
    prefix = found[0]
    if pattern[len(prefix) : len(prefix) + 1] in ("*", "?", "{", "+"):
        # The last unit is repeated.
        prefix = "".join(_UNIT.findall(prefix)[:-1])
    return _plain(prefix)


def prefix_of_all(regex: Pattern[str]) -> str | None:
    """Return the prefix whose paths a pattern matches all; None when it asks for more."""
    pattern = regex.pattern.removeprefix("^").removesuffix("$")
    found = _LITERAL.match(pattern)
    assert found is not None  # it matches the empty string
    if regex.flags & _ODD_FLAGS or not _ANYTHING.fullmatch(pattern, found.end()):
        return None
    return _plain(found[0])


def has_alternatives(regex: Pattern[str]) -> bool:
    """Say whether a pattern has a ``|`` outside of groups, or may have one."""
    if "|" not in regex.pattern:
        return False
    if "(?#" in regex.pattern or regex.flags & re.VERBOSE:
        return True
    depth = 0
    for unit in _UNIT.findall(regex.pattern):
        depth += (unit == "(") - (unit == ")")
        if unit == "|" and not depth:
            return True
    return False


def reversible(regex: Pattern[str]) -> tuple[str | None, int]:
    """Turn a pattern into a format string with ``%s`` for its groups.

    Returns:
        The format and its number of groups; None for a pattern that is too involved.
    """
    pattern = regex.pattern.removeprefix("^").removesuffix("$")
    if regex.groups != pattern.count("("):
        return None, 0
    pieces: list[str] = []
    for fragment in pattern.split("("):
        if ")" in fragment:
            fragment = "%s" + _unescaped(fragment[fragment.index(")") + 1 :])
        else:
            fragment = _unescaped(fragment)
        if "\0" in fragment:
            return None, 0
        pieces.append(fragment)
    return "".join(pieces), regex.groups


def _plain(pattern: str) -> str:
    """Resolve the escapes of a pattern that is literal."""
    return re.sub(r"\\(.)", r"\1", pattern)


def _unescaped(fragment: str) -> str:
    """Resolve the escapes of a pattern between groups; NUL marks what has no one meaning."""
    return _plain(re.sub(r"\\([A-Za-z0-9])", "\0", fragment)).replace("%", "%%")
