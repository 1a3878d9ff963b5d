"""Taking secrets out of what is recorded."""

import json
import re
from collections.abc import Iterable
from urllib.parse import parse_qsl, urlencode

from toolkit.wire.events import Field

#: What stands in the place of a secret.
REDACTED = "REDACTED"
#: Header fields that hold secrets.
SECRET_HEADERS = frozenset(
    """
    authorization proxy-authorization cookie set-cookie x-api-key x-auth-token x-csrf-token
    x-xsrf-token
    """.split()
)
#: Names in queries, forms and JSON whose values are secrets.
SECRET_NAMES = frozenset(
    """
    access_token api_key apikey client_secret code id_token key passwd password pwd
    refresh_token secret session sig signature token
    """.split()
)

_USERINFO = re.compile(r"(//)[^/?#@]*@")


class Redaction:
    """Knows what is a secret.

    Args:
        headers: names of further header fields.
        names: further names in queries, forms and JSON; the case of letters does not matter, and
            ``-`` is ``_``.
    """

    def __init__(self, headers: Iterable[str] = (), names: Iterable[str] = ()) -> None:
        self._headers = SECRET_HEADERS | {name.lower() for name in headers}
        self._names = SECRET_NAMES | {_normal(name) for name in names}

    def url(self, url: str) -> str:
        """Return a URL without secrets in its query, and without a user."""
        url = _USERINFO.sub(r"\1", url)
        start, mark, query = url.partition("?")
        return f"{start}?{self._form(query)}" if mark else url

    def fields(self, fields: Iterable[Field]) -> list[tuple[str, str]]:
        """Return header fields; those with secrets are there, and say nothing."""
        return [(name, self._field(name.lower(), value)) for name, value in fields]

    def _field(self, name: str, value: str) -> str:
        if name not in self._headers:
            return value
        if name == "set-cookie":
            # Whether there is a cookie, and where it goes, is no secret.
            pair, semicolon, attributes = value.partition(";")
            return f"{pair.partition('=')[0]}={REDACTED}{semicolon}{attributes}"
        return REDACTED

    def content(self, data: bytes, content_type: str) -> bytes:
        """Return content; a form or JSON without the secrets in it, anything else as it is."""
        kind = content_type.partition(";")[0].strip().lower()
        try:
            if kind == "application/x-www-form-urlencoded":
                return self._form(data.decode("utf-8")).encode()
            if kind == "application/json" or kind.endswith("+json"):
                value = json.loads(data)
                clean = self._json(value)
                return data if clean == value else json.dumps(clean).encode()
        except ValueError:
            pass  # it is not what it says, and so has no names
        return data

    def _form(self, text: str) -> str:
        pairs = parse_qsl(text, keep_blank_values=True)
        if not any(self._is_secret(name) for name, _ in pairs):
            return text
        return urlencode([(n, REDACTED if self._is_secret(n) else v) for n, v in pairs])

    def _json(self, value: object) -> object:
        if isinstance(value, dict):
            return {
                name: REDACTED if self._is_secret(name) and _is_plain(item) else self._json(item)
                for name, item in value.items()
            }
        return [self._json(item) for item in value] if isinstance(value, list) else value

    def _is_secret(self, name: str) -> bool:
        return _normal(name) in self._names


def _normal(name: str) -> str:
    return name.lower().replace("-", "_")


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)
