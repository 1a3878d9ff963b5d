"""Field values with parameters: ``form-data; name="a"; filename="b.txt"``."""

import re

from toolkit.wire.grammar import QUOTED_STRING, TCHAR

# A value may lack its quotes although it is no token; browsers and old programs send such.
_PARAMETER = re.compile(f'(?:;[ \\t]*)+([{TCHAR}]+)[ \\t]*=[ \\t]*({QUOTED_STRING}|[^;"]*)[ \\t]*')
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def parse_parameters(value: str) -> tuple[str, dict[str, str]]:
    """Split a field value into its main value and its parameters, in time linear in it.

    Returns:
        The main value in lower case, and the parameters by name in lower case.
    Raises:
        ValueError: what follows the main value is not a list of parameters, or has a name
            twice, of which two readers could take different ones.

    RFC 9110 §5.6.6
    """
    main, semicolon, rest = value.partition(";")
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
        found[name] = _ESCAPED.sub(r"\1", item[1:-1]) if quoted else item.rstrip(" \t")
        position = match.end()
    return main.strip(" \t").lower(), found
