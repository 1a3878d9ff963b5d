"""Signatures of OAuth 1.0 (RFC 5849)."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from toolkit.escape import utf8

_DEFAULT_PORTS = {"http": 80, "https": 443}


def escape(value: Any) -> str:
    """Percent-encode a value: all but letters, digits and ``-._~`` (RFC 5849 §3.6)."""
    return quote(value if isinstance(value, bytes) else utf8(str(value)), safe="~")


def base_string(method: str, url: str, parameters: Mapping[str, Any]) -> str:
    """Return the text that is signed.

    Args:
        url: its query is signed too; a name that is among `parameters` counts there alone.
        parameters: all that the request has, but the signature.

    RFC 5849 §3.4.1
    """
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    pairs = [(name, value) for name, value in query if name not in parameters]
    pairs += parameters.items()
    normalized = sorted((escape(name), escape(value)) for name, value in pairs)
    scheme, host = parts.scheme.lower(), (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    if parts.port is not None and parts.port != _DEFAULT_PORTS.get(scheme):
        host = f"{host}:{parts.port}"
    return "&".join(
        [
            escape(method.upper()),
            escape(f"{scheme}://{host}{parts.path or '/'}"),
            escape("&".join(f"{name}={value}" for name, value in normalized)),
        ]
    )


def signature(
    method: str,
    url: str,
    parameters: Mapping[str, Any],
    consumer_secret: str,
    token_secret: str = "",
    escaped: bool = True,
) -> str:
    """Return the HMAC-SHA1 signature of a request; arguments as `base_string`.

    Args:
        escaped: whether the secrets are percent-encoded; providers of OAuth 1.0, before the
            RFC and 1.0a, may want them as they are.

    RFC 5849 §3.4.2
    """
    secrets = (consumer_secret, token_secret)
    key = "&".join(escape(secret) if escaped else str(secret) for secret in secrets)
    text = base_string(method, url, parameters)
    return base64.b64encode(hmac.digest(utf8(key), utf8(text), hashlib.sha1)).decode("ascii")
