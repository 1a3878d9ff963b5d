"""What a server wants to see before it answers: WWW-Authenticate and its like, read."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from toolkit.wire.errors import excerpt
from toolkit.wire.grammar import QUOTED_STRING, TCHAR

#: Challenges and parameters that are looked at; a server that sends more means no good.
MAX_ITEMS = 100

_SEPARATOR = re.compile("[ \t,]*")
_END = "[ \t]*(?:,|$)"
_PARAMETER = re.compile(f"([{TCHAR}]+)[ \t]*=[ \t]*([{TCHAR}]+|{QUOTED_STRING}){_END}")
#: A scheme stands alone, before its ``token68``, or before a space and its parameters.
_SCHEME = re.compile(f"([{TCHAR}]+)(?: +([A-Za-z0-9\\-._~+/]+=*){_END}| +|{_END})")
_ESCAPED = re.compile(r"\\(.)")


@dataclass(slots=True)
class Challenge:
    """One way in which a server lets somebody authenticate.

    Attributes:
        scheme: in lower case, such as ``basic``.
        parameters: by name in lower case, without quotes.
        token: what a scheme has instead of parameters (``token68``).
    """

    scheme: str
    parameters: dict[str, str] = field(default_factory=dict)
    token: str = ""


def parse_challenges(values: Iterable[str]) -> list[Challenge]:
    """Return the challenges of fields, in the order in which the server prefers them.

    >>> parse_challenges(['Basic realm="a", Digest realm=b,qop="auth,auth-int"'])[1].parameters
    {'realm': 'b', 'qop': 'auth,auth-int'}

    Takes time linear in the length of `values`.

    Args:
        values: of all the fields of that name.
    Raises:
        ValueError: malformed, or a parameter twice.

    RFC 9110 §11.3, §11.6.1
    """
    found: list[Challenge] = []
    for value in values:
        found.extend(_parse(value))
    return found


def _parse(value: str) -> list[Challenge]:
    found: list[Challenge] = []
    # A trailing separator would make an empty item of the end.
    value = value.rstrip(" \t,")
    position = items = 0
    while position < len(value):
        position = _skip(value, position)
        items += 1
        if items > MAX_ITEMS:
            raise ValueError(f"more than {MAX_ITEMS} challenges and parameters")
        match = _PARAMETER.match(value, position)
        if match is not None:
            if not found or found[-1].token:
                raise ValueError(f"parameter {excerpt(match[1])} of no scheme")
            _add(found[-1], match[1].lower(), match[2])
        else:
            match = _SCHEME.match(value, position)
            if match is None:
                rest = excerpt(value[position:])
                raise ValueError(f"{rest}; a scheme or name=value is allowed")
            found.append(Challenge(match[1].lower(), token=match[2] or ""))
        position = match.end()
    return found


def parse_authentication_info(value: str) -> dict[str, str]:
    """Return the parameters of an Authentication-Info field (RFC 9110 §11.6.3).

    Raises:
        ValueError: as `parse_challenges`.
    """
    (info,) = _parse(f"info {value}")
    return info.parameters


def _skip(value: str, position: int) -> int:
    match = _SEPARATOR.match(value, position)
    return position if match is None else match.end()


def _add(challenge: Challenge, name: str, value: str) -> None:
    if name in challenge.parameters:
        raise ValueError(f"parameter {excerpt(name)} comes twice")
    if value.startswith('"'):
        value = _ESCAPED.sub(r"\1", value[1:-1])
    challenge.parameters[name] = value
