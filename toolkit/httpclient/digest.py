"""Digest authentication as a link of the chain."""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from toolkit.httpclient.encoding import BytesContent
from toolkit.httpclient.repeating import discard, repeatable
from toolkit.httpclient.target import Origin
from toolkit.httpclient.transport import CallNext, OutgoingRequest, StreamedResponse
from toolkit.wire.challenges import parse_authentication_info, parse_challenges
from toolkit.wire.digest import DigestChallenge, digest_authorization

#: Times that a request is sent at most: without an answer, with one, and once more for a nonce
#: that has become too old in between.
MAX_ATTEMPTS = 3
#: Challenges that are remembered.
MAX_KNOWN = 256


@dataclass(slots=True)
class _Known:
    """A challenge with how often it was answered.

    Attributes:
        client_nonce: the same for all answers, since a session (``-sess``) begins with it.
    """

    challenge: DigestChallenge
    client_nonce: str
    count: int = 0


class DigestAuth:
    """Answers challenges to requests whose `auth_mode` is ``"digest"`` (RFC 7616).

    Example::

        await client.fetch(url, auth_username="ann", auth_password="...", auth_mode="digest")

    Every client has one among its ``hop_middleware``. It uses the credentials of the request,
    which are for one origin: a redirect to another one has none, so that nobody else's
    challenge is answered. The next request to an origin answers the challenge that it knows,
    without being asked, and so goes out once.

    Content that cannot be sent again is not: the response is the 401 then. Where a server insists
    on ``qop=auth-int``, only content that is there as bytes is signed.

    Args:
        nonce: makes text that nobody can guess.
    """

    def __init__(self, nonce: Callable[[], str] = lambda: secrets.token_hex(16)) -> None:
        self._nonce = nonce
        self._known: dict[tuple[Origin, str], _Known] = {}

    def __call__(
        self, request: OutgoingRequest, call_next: CallNext
    ) -> Awaitable[StreamedResponse]:
        """Send a request, and again with an answer if it is challenged."""
        credentials = request.credentials
        if (
            request.auth_mode != "digest"
            or credentials is None
            or "Authorization" in request.headers
        ):
            return call_next(request)  # as nearly all, which costs them no step of a coroutine
        return self._send(request, call_next, credentials)

    async def _send(
        self, request: OutgoingRequest, call_next: CallNext, credentials: tuple[str, str]
    ) -> StreamedResponse:
        key = request.target.origin, credentials[0]
        known = self._known.get(key)
        answered = False
        for attempt in range(MAX_ATTEMPTS):
            signed = None if known is None else self._signed(request, known, credentials)
            response = await call_next(signed or request)
            if response.status != 401:
                break
            challenge = _challenge(response)
            if challenge is None or (answered and not challenge.stale):
                self._known.pop(key, None)
                break
            known = self._remember(key, challenge)
            if attempt == MAX_ATTEMPTS - 1 or not _can_answer(request, challenge):
                break
            answered = True
            await discard(response)
        if known is not None and response.status != 401:
            self._renew(key, known, response)
        return response

    def _signed(
        self, request: OutgoingRequest, known: _Known, credentials: tuple[str, str]
    ) -> OutgoingRequest | None:
        """Return a request with the answer to a challenge, None if there cannot be one."""
        content = _content(request)
        if content is None:
            if known.challenge.qop == "auth-int":
                return None
            content = b""
        known.count += 1
        signed = request.copy()
        signed.headers["Authorization"] = digest_authorization(
            known.challenge,
            *credentials,
            method=request.method,
            target=request.target.path,
            content=content,
            client_nonce=known.client_nonce,
            count=known.count,
        )
        return signed

    def _remember(self, key: tuple[Origin, str], challenge: DigestChallenge) -> _Known:
        self._known.pop(key, None)
        known = self._known[key] = _Known(challenge, self._nonce())
        if len(self._known) > MAX_KNOWN:
            del self._known[next(iter(self._known))]
        return known

    def _renew(self, key: tuple[Origin, str], known: _Known, response: StreamedResponse) -> None:
        """Go on with the nonce that the server wants to see next (§3.5)."""
        try:
            info = parse_authentication_info(response.headers.get("Authentication-Info", ""))
        except ValueError:
            return
        if info.get("nextnonce"):
            self._remember(key, replace(known.challenge, nonce=info["nextnonce"]))


def _challenge(response: StreamedResponse) -> DigestChallenge | None:
    """Return the challenge of a response that can be answered."""
    try:
        return DigestChallenge.chosen(
            parse_challenges(response.headers.get_list("WWW-Authenticate"))
        )
    except ValueError:
        return None


def _can_answer(request: OutgoingRequest, challenge: DigestChallenge) -> bool:
    return repeatable(request) and (challenge.qop != "auth-int" or _content(request) is not None)


def _content(request: OutgoingRequest) -> bytes | None:
    """Return the content of a request, None if it is not there as bytes."""
    content = request.content
    if isinstance(content, BytesContent):
        return content.data
    return content or b"" if content is None or isinstance(content, bytes) else None
