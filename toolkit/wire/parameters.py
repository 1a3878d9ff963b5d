"""Field values with parameters: ``form-data; name="a"; filename="b.txt"``."""

import re
from urllib.parse import unquote_to_bytes

from toolkit.wire.grammar import QUOTED_STRING, TCHAR

# A value may lack its quotes although it is no token; browsers and old programs send such.
_PARAMETER = re.compile(f'(?:;[ \\t]*)+([{TCHAR}]+)[ \\t]*=[ \\t]*({QUOTED_STRING}|[^;"]*)[ \\t]*')
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED_IN_FORMS = re.compile(r'\\(["\\])')

#: ``utf-8''%e2%82%ac`` (RFC 8187 §3.2.1): UTF-8 is the one charset that has to be known.
_EXTENDED = re.compile(
    r"utf-8'[0-9A-Za-z-]*'((?:[!#$&+\-.^_`|~0-9A-Za-z]|%[0-9A-Fa-f]{2})*)", re.IGNORECASE
)


def parse_parameters(value: str, *, form: bool = False) -> tuple[str, dict[str, str]]:
    """Split a field value into its main value and its parameters, in time linear in it.

    Args:
        form: whether this is of a part of a form. There a backslash escapes a quote or another
            backslash and else is one: browsers send it as it is (WHATWG HTML, multipart form
            data), and a file name without its backslashes is another name.
    Returns:
        The main value in lower case, and the parameters by name in lower case.
    Raises:
        ValueError: what follows the main value is not a list of parameters, or has a name
            twice, of which two readers could take different ones.

    RFC 9110 §5.6.6
    """
    main, semicolon, rest = value.partition(";")
    escaped = _ESCAPED_IN_FORMS if form else _ESCAPED
    found: dict[str, str] = {}
    position, text = 0, semicolon + rest
    while position < len(text):
        match = _PARAMETER.match(text, position)
        if match is None:
            if not text[position:].strip("; \t"):
                break
            raise ValueError(f"{text[position : position + 50]!r}; '; name=value' is allowed")
        name, item = match[1].lower(), match[2]
        if name in found:
            raise ValueError(f"parameter {name[:50]!r} comes twice")
        quoted = item.startswith('"')
        found[name] = escaped.sub(r"\1", item[1:-1]) if quoted else item.rstrip(" \t")
        position = match.end()
    return main.strip(" \t").lower(), found


def parse_extended(value: str) -> str:
    """Return the text of a parameter whose name ends in an asterisk.

    >>> parse_extended("UTF-8''%e2%82%ac%20rates")
    '€ rates'

    Raises:
        ValueError: not ``utf-8'language'`` and percent-encoded UTF-8.

    RFC 8187 §3.2
    """
    match = _EXTENDED.fullmatch(value)
    if match is None:
        raise ValueError(f"{value[:50]!r}; utf-8'' and percent-encoding is allowed")
    return unquote_to_bytes(match[1]).decode("utf-8")
