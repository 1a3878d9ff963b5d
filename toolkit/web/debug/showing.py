"""`shown_error`: whether a client is shown what went wrong, and in which form."""

import ipaddress
import traceback
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from toolkit.httputil import HTTPServerRequest, split_host_and_port
from toolkit.log import app_log
from toolkit.web.debug.page import as_html, as_json, as_text, report
from toolkit.wire.negotiation import names_media_type

if TYPE_CHECKING:
    from toolkit.web.handler import RequestHandler

ExcInfo = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]

#: Headers by which a request shows that a proxy hands it on, for whoever is behind that.
_FORWARDING = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")

_TEXT = "text/plain; charset=utf-8"

#: Neither loads nor runs anything, is in nobody's frame, and is kept by nobody.
_FIELDS = [
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),
    ("X-Frame-Options", "DENY"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
    ("Vary", "Accept"),
]


def shown_error(
    handler: "RequestHandler", status: int, exc_info: ExcInfo | None
) -> tuple[list[tuple[str, str]], str] | None:
    """Return the headers and the content that tell a developer of an error.

    Returns:
        None where nothing is to be told: without an exception, without the setting
        ``serve_traceback`` (which ``debug`` turns on), and to others than `may_see` allows.
        With ``serve_traceback`` alone, the traceback in plain text. With ``debug``, a page,
        JSON or text, as Accept would have it.

    It raises nothing.
    """
    settings = handler.settings
    if exc_info is None or exc_info[1] is None or not settings.get("serve_traceback"):
        return None
    error = exc_info[1]
    try:
        if not may_see(handler.request, settings.get("debug_hosts", ())):
            return None
        if not settings.get("debug"):
            text = "".join(traceback.format_exception(*exc_info))
            return [("Content-Type", "text/plain")], _sendable(text)
        found = report(handler, status, error)
        accept = handler.request.headers.get("Accept")
        if names_media_type(accept, "text/html"):
            kind, content = "text/html; charset=utf-8", as_html(found)
        elif names_media_type(accept, "application/json"):
            kind, content = "application/json; charset=utf-8", as_json(found)
        else:
            kind, content = _TEXT, as_text(found, error)
    except Exception:
        app_log.error("Cannot show the error %s", type(error).__name__, exc_info=True)
        return None
    return [("Content-Type", kind), *_FIELDS], content


def may_see(request: HTTPServerRequest, debug_hosts: Iterable[str]) -> bool:
    """Say whether the client of a request may see the inside of the program.

    That is one that asked for a host of `debug_hosts`; or for a local one, from this machine
    and not by a proxy. A page of another site, which has its name point to this machine, asks
    for its own name.

    Args:
        debug_hosts: names or addresses; ``".example.com"`` for it and all below.
    """
    if isinstance(debug_hosts, str):
        raise TypeError(f"debug_hosts {debug_hosts!r}; a list of hosts is allowed")
    host = split_host_and_port(request.host.lower())[0].strip("[]").rstrip(".")
    for allowed in debug_hosts:
        name = allowed.lower().strip("[]")
        if host == name.removeprefix(".") or (name.startswith(".") and host.endswith(name)):
            return True
    return (
        (host == "localhost" or host.endswith(".localhost") or _is_loopback(host))
        and _is_loopback(request.remote_ip)
        and not any(request.has_header(name) for name in _FORWARDING)
    )


def _is_loopback(address: Any) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback


def _sendable(text: str) -> str:
    """Return a text without what UTF-8 cannot say."""
    return text.encode("utf-8", "backslashreplace").decode()
