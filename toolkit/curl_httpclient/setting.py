"""Options of libcurl for what a request says."""

import inspect
import re
import unicodedata
from io import BytesIO
from typing import Any

import pycurl

from toolkit.escape import native_str, utf8
from toolkit.gen import is_coroutine_function
from toolkit.httpclient.conversion import headers_of
from toolkit.httpclient.defaults import USER_AGENT
from toolkit.httpclient.request import EffectiveRequest
from toolkit.wire.errors import excerpt
from toolkit.wire.grammar import is_token

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
#: Methods that libcurl has an option of their own for.
_METHODS = {
    "GET": pycurl.HTTPGET,
    "POST": pycurl.POST,
    "PUT": pycurl.UPLOAD,
    "HEAD": pycurl.NOBODY,
}
_CUSTOM_METHODS = frozenset(("DELETE", "OPTIONS", "PATCH"))
#: Fields that libcurl adds unless it is told to leave them out.
_LEFT_OUT = ("Expect", "Pragma")
_AUTH_MODES = {
    None: pycurl.HTTPAUTH_BASIC,
    "basic": pycurl.HTTPAUTH_BASIC,
    "digest": pycurl.HTTPAUTH_DIGEST,
}


def set_options(curl: Any, request: EffectiveRequest) -> None:
    """Set all options of a request but where its response goes.

    Raises:
        ValueError: the request cannot be sent.
    """
    _refuse_control_characters(request)
    callback = request.streaming_callback
    if inspect.iscoroutinefunction(callback) or is_coroutine_function(callback):
        raise TypeError("streaming_callback is a coroutine function; a plain one is allowed")
    curl.setopt(pycurl.URL, native_str(request.url))
    curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
    curl.setopt(pycurl.REDIR_PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
    curl.setopt(pycurl.NOSIGNAL, 1)
    _set_headers(curl, request)
    curl.setopt(pycurl.FOLLOWLOCATION, bool(request.follow_redirects))
    curl.setopt(pycurl.MAXREDIRS, request.max_redirects)
    curl.setopt(pycurl.CONNECTTIMEOUT_MS, int(1000 * (request.connect_timeout or 0)))
    curl.setopt(pycurl.TIMEOUT_MS, int(1000 * (request.request_timeout or 0)))
    if request.decompress_response:
        curl.setopt(pycurl.ENCODING, "gzip,deflate")
    if request.network_interface:
        curl.setopt(pycurl.INTERFACE, request.network_interface)
    if request.allow_ipv6 is False:
        curl.setopt(pycurl.IPRESOLVE, pycurl.IPRESOLVE_V4)
    _set_proxy(curl, request)
    _set_tls(curl, request)
    _set_authentication(curl, request)
    _set_method(curl, request)


def _set_headers(curl: Any, request: EffectiveRequest) -> None:
    headers = headers_of(request.headers)
    # libcurl asks servers whether they want the body, and waits a second for those that
    # never say; and it would rather not have been told to.
    if request.expect_100_continue:
        headers["Expect"] = "100-continue"
    elif "Expect" not in headers:
        headers["Expect"] = ""
    headers.setdefault("Pragma", "")
    curl.setopt(
        pycurl.HTTPHEADER,
        [
            # An empty value has to be written otherwise, or the field is left out.
            _latin1(f"{name}: {value}" if value or name in _LEFT_OUT else f"{name};")
            for name, value in headers.get_all()
        ],
    )
    curl.setopt(pycurl.USERAGENT, utf8(request.user_agent or USER_AGENT))


def _refuse_control_characters(request: EffectiveRequest) -> None:
    """Raise ValueError for what would end a line of the request; `headers_of` does for headers."""
    if not is_token(request.method):
        raise ValueError(f"method {excerpt(request.method)}; a token is allowed")
    for text in (request.url, request.user_agent or ""):
        text = native_str(text)
        if _CONTROL.search(text):
            raise ValueError(f"{excerpt(text)} holds a control character, none is allowed")


def _latin1(line: str) -> bytes:
    try:
        return line.encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError(f"header {excerpt(line)} is not ISO 8859-1, which is allowed") from None


def _credential(text: str | bytes) -> bytes:
    """Return a user or a password in UTF-8 (RFC 7617 §2.1)."""
    return text if isinstance(text, bytes) else utf8(unicodedata.normalize("NFC", text))


def _set_proxy(curl: Any, request: EffectiveRequest) -> None:
    """Set the proxy; the environment names none."""
    if not (request.proxy_host and request.proxy_port):
        if request.proxy_host or request.proxy_port:
            raise ValueError(
                f"proxy_host {request.proxy_host!r} and proxy_port {request.proxy_port!r}; "
                "both are needed"
            )
        curl.setopt(pycurl.PROXY, "")
        return
    curl.setopt(pycurl.PROXY, request.proxy_host)
    curl.setopt(pycurl.PROXYPORT, request.proxy_port)
    if request.proxy_username:
        curl.setopt(pycurl.PROXYUSERNAME, _credential(request.proxy_username))
        curl.setopt(pycurl.PROXYPASSWORD, _credential(request.proxy_password or ""))
    if request.proxy_auth_mode not in _AUTH_MODES:
        raise ValueError(
            f"unsupported proxy_auth_mode {request.proxy_auth_mode!r}; "
            "'basic' and 'digest' are allowed"
        )
    curl.setopt(pycurl.PROXYAUTH, _AUTH_MODES[request.proxy_auth_mode])


def _set_tls(curl: Any, request: EffectiveRequest) -> None:
    if request.ssl_options is not None:
        raise ValueError("ssl_options not supported in curl_httpclient; ca_certs and the like are")
    validate = request.validate_cert is not False
    curl.setopt(pycurl.SSL_VERIFYPEER, int(validate))
    curl.setopt(pycurl.SSL_VERIFYHOST, 2 if validate else 0)
    if request.ca_certs is not None:
        curl.setopt(pycurl.CAINFO, request.ca_certs)
    if request.client_cert is not None:
        curl.setopt(pycurl.SSLCERT, request.client_cert)
    if request.client_key is not None:
        curl.setopt(pycurl.SSLKEY, request.client_key)


def _set_authentication(curl: Any, request: EffectiveRequest) -> None:
    if request.auth_username is None:
        return
    if request.auth_mode not in _AUTH_MODES:
        raise ValueError(
            f"unsupported auth_mode {request.auth_mode!r}; 'basic' and 'digest' are allowed"
        )
    curl.setopt(pycurl.HTTPAUTH, _AUTH_MODES[request.auth_mode])
    curl.setopt(pycurl.USERNAME, _credential(request.auth_username))
    curl.setopt(pycurl.PASSWORD, _credential(request.auth_password or ""))


def _set_method(curl: Any, request: EffectiveRequest) -> None:
    """Set the method and the body.

    Raises:
        ValueError: they do not go together, unless the request says that they may.
    """
    method, body = request.method, request.body
    if request.body_producer is not None:
        raise ValueError("body_producer is not supported by curl_httpclient; body is")
    if method in _METHODS:
        curl.setopt(_METHODS[method], True)
    elif method in _CUSTOM_METHODS or request.allow_nonstandard_methods:
        curl.setopt(pycurl.CUSTOMREQUEST, method)
    else:
        raise ValueError(
            f"unknown method {method!r}; allow_nonstandard_methods allows others than "
            f"{', '.join([*_METHODS, *sorted(_CUSTOM_METHODS)])}"
        )
    expected = method in ("POST", "PATCH", "PUT")
    present = body is not None
    if present != expected and not request.allow_nonstandard_methods:
        raise ValueError(
            f"Body must {'not ' if expected else ''}be None for method {method} "
            "(unless allow_nonstandard_methods is true)"
        )
    if not (expected or present):
        return
    if method == "GET":
        # libcurl would make another method of it.
        raise ValueError("Body must be None for GET request")
    source = BytesIO(body or b"")

    def seek(offset: int, origin: int) -> int:
        source.seek(offset, origin)
        return int(pycurl.SEEKFUNC_OK)

    curl.setopt(pycurl.READFUNCTION, source.read)
    curl.setopt(pycurl.SEEKFUNCTION, seek)  # for redirects and for another try
    if method == "POST":
        curl.setopt(pycurl.POSTFIELDSIZE, len(body or b""))
    else:
        curl.setopt(pycurl.UPLOAD, True)
        curl.setopt(pycurl.INFILESIZE, len(body or b""))
