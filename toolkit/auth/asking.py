"""Requests to providers: limited in time, with errors that tell what was seen and no secret."""

import asyncio
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from toolkit.auth.errors import AuthError, AuthHTTPError
from toolkit.escape import json_decode
from toolkit.httpclient import AsyncHTTPClient, HTTPClientError, HTTPResponse
from toolkit.httpclient.errors import HTTPTimeoutError
from toolkit.iostream import UnsatisfiableReadError
from toolkit.wire.errors import excerpt

#: Seconds for one request, also where the client was told to wait for ever. A client waits for
#: 20 unless it was told otherwise.
REQUEST_TIMEOUT = 30.0
#: Bytes of an answer to a login. Those of providers have some thousands.
MAX_ANSWER = 1024 * 1024
#: The header of a form, which the client does not set by itself.
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def fetch(client: AsyncHTTPClient, url: str, **options: Any) -> HTTPResponse:
    """Return the response to a request, for which there are `REQUEST_TIMEOUT` seconds.

    Raises:
        HTTPTimeoutError: it took longer.
        Exception: as `AsyncHTTPClient.fetch`.
    """
    try:
        async with asyncio.timeout(REQUEST_TIMEOUT) as scope:
            return await client.fetch(url, **options)
    except TimeoutError:
        if not scope.expired():
            raise
        raise HTTPTimeoutError(f"no answer in {REQUEST_TIMEOUT:g} seconds") from None


async def ask(client: AsyncHTTPClient, url: str, **options: Any) -> HTTPResponse:
    """Return the response to a request of a login; a redirect is not followed but an error.

    Secrets are for the very URL that was configured.

    Raises:
        AuthHTTPError: an answer that is no success, or none in time.
        AuthError: no connection, or too long an answer.
        ValueError: the request cannot be sent.
    """
    try:
        response = await fetch(client, url, follow_redirects=False, **options)
    except HTTPClientError as error:
        raise _refused(url, error) from error
    except (OSError, UnsatisfiableReadError) as error:
        raise AuthError(f"{place(url)} was not reached: {error!r}") from error
    except ValueError:
        # Its message shows the URL, which may hold secrets.
        raise ValueError(f"a request for {place(url)} cannot be sent") from None
    if len(response.body) > MAX_ANSWER:
        raise AuthError(
            f"{place(url)} answered {len(response.body)} bytes; {MAX_ANSWER} are allowed"
        )
    return response


def place(url: str) -> str:
    """Return what of a URL may be shown: no query, which may hold secrets."""
    return excerpt(url.partition("?")[0])


def _refused(url: str, failure: HTTPClientError) -> AuthHTTPError:
    response = failure.response
    error, description = _stated_error(response.body if response else b"")
    said = "".join(f", {excerpt(text)}" for text in (error, description) if text)
    return AuthHTTPError(
        f"{place(url)}{' answered' if response else ':'} {failure}{said}",
        failure.code,
        failure.message,
        response,
        error,
        description,
    )


def _stated_error(body: bytes) -> tuple[str, str]:
    """Return code and description of an error answer, "" for what it does not tell."""
    try:
        return stated_error(json_decode(body[:MAX_ANSWER]))
    except (ValueError, RecursionError):
        return "", ""


def stated_error(answer: Any) -> tuple[str, str]:
    """Return code and description as an answer in JSON states them; "" for each one missing.

    Facebook has an object with the two where others have the code.

    RFC 6749 §5.2
    """
    if not isinstance(answer, dict):
        return "", ""
    error, description = answer.get("error", ""), answer.get("error_description", "")
    if isinstance(error, dict):
        error, description = error.get("type", ""), error.get("message", "")
    return _text(error), _text(description)


def _text(value: object) -> str:
    return str(value) if isinstance(value, str | int | float) else ""


def json_object(response: HTTPResponse, url: str) -> dict[str, Any]:
    """Return the object that an answer holds.

    Raises:
        AuthError: it is not JSON, or no object, or one that states an error.
    """
    try:
        answer = json_decode(response.body)
    except (ValueError, RecursionError):
        raise AuthError(
            f"{place(url)} answered {len(response.body)} bytes that are not JSON"
        ) from None
    if not isinstance(answer, dict):
        raise AuthError(f"{place(url)} answered a {type(answer).__name__}; an object is needed")
    if answer.get("error"):
        # GitHub and others answer 200 all the same.
        error, description = stated_error(answer)
        raise AuthError(
            f"{place(url)} answered {excerpt(error)}, {excerpt(description)}",
            error=error,
            description=description,
        )
    return answer


def form_fields(response: HTTPResponse, url: str) -> dict[str, str]:
    """Return the fields of an answer that is a form, as those of OAuth 1.0 are.

    Raises:
        AuthError: too many fields, or not UTF-8.
    """
    try:
        pairs = parse_qsl(
            response.body.decode(), keep_blank_values=True, errors="strict", max_num_fields=1000
        )
    except ValueError:
        raise AuthError(
            f"{place(url)} answered {len(response.body)} bytes that are no form of UTF-8"
        ) from None
    return dict(pairs)


def with_query(url: str, query: str) -> str:
    """Return a URL with a query added to what it has."""
    if not query:
        return url
    parts = urlsplit(url)
    return parts._replace(query=f"{parts.query}&{query}" if parts.query else query).geturl()
