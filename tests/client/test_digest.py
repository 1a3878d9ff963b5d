"""`DigestAuth`: what is answered to whom, against a server that checks every word."""

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from toolkit.httpclient import AsyncHTTPClient
from toolkit.httpclient.content import Body, Pieces
from toolkit.httpclient.digest import MAX_ATTEMPTS, MAX_KNOWN, DigestAuth
from toolkit.httpclient.encoding import json_content
from toolkit.httpclient.transport import OutgoingRequest, StreamedResponse
from toolkit.httputil import HTTPHeaders
from toolkit.testing.mock_transport import Answer, MockTransport, read_body
from toolkit.wire.challenges import parse_challenges

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])

URL = "https://a.example/x?y"


class Server:
    """A server that wants a digest, and takes each count of a nonce once.

    Args:
        challenge: parameters, besides realm and nonce.

    Attributes:
        stale_after: answers that a nonce is good for.
        refusals: 401s that it has sent.
    """

    def __init__(self, stale_after: int = 1000, next_nonce: str = "", **challenge: str) -> None:
        self.challenge = {"realm": "r", "qop": "auth"} | challenge
        self.stale_after = stale_after
        self.next_nonce = next_nonce
        self.nonce = 0
        self.used: set[str] = set()
        self.refusals = 0
        self.transport = MockTransport()
        self.transport.on("*", "*", self.answer)
        self.auth = DigestAuth(nonce=lambda: "c0ffee")

    async def answer(self, request: OutgoingRequest) -> Answer:
        """Answer a request, as RFC 7616 §3.4 says."""
        value = request.headers.get("Authorization", "")
        fields = parse_challenges([value])[0].parameters if value else {}
        stale = bool(fields) and (
            fields["nonce"] != str(self.nonce) or len(self.used) >= self.stale_after
        )
        if fields and not stale and self.is_right(request, fields, await content_of(request)):
            assert fields["nc"] not in self.used
            self.used.add(fields["nc"])
            headers = {}
            if self.next_nonce:
                headers["Authentication-Info"] = f'nextnonce="{self.next_nonce}", qop=auth'
            return Answer(200, headers=headers)
        self.refusals += 1
        self.nonce += 1
        self.used.clear()
        return Answer(401, b"no", headers={"WWW-Authenticate": self.field(stale)})

    def field(self, stale: bool) -> str:
        """Return a challenge."""
        parameters = self.challenge | {"nonce": str(self.nonce), "stale": str(stale).lower()}
        return "Digest " + ", ".join(f'{name}="{value}"' for name, value in parameters.items())

    def is_right(self, request: OutgoingRequest, fields: dict[str, str], content: bytes) -> bool:
        """Say whether an answer is that of the user "u" with the password "p"."""
        algorithm = self.challenge.get("algorithm", "MD5")
        kind = "sha256" if algorithm.startswith("SHA-256") else "md5"

        def digest(text: str) -> str:
            return hashlib.new(kind, text.encode()).hexdigest()

        secret = digest("u:r:p")
        if algorithm.endswith("-sess"):
            secret = digest(f"{secret}:{fields['nonce']}:{fields['cnonce']}")
        wanted = f"{request.method}:{request.target.path}"
        if fields["qop"] == "auth-int":
            wanted += f":{digest(content.decode())}"
        use = f"{fields['nc']}:{fields['cnonce']}:{fields['qop']}"
        response = digest(f"{secret}:{fields['nonce']}:{use}:{digest(wanted)}")
        return fields["uri"] == request.target.path and fields["response"] == response

    async def ask(
        self,
        url: str = URL,
        password: str = "p",
        method: str = "GET",
        content: Body = None,
        mode: str = "digest",
    ) -> int:
        """Send a request through the link, and return the status."""
        request = OutgoingRequest(method, url, content=content)
        request.credentials, request.auth_mode = ("u", password), mode
        response = await self.auth(request, self.transport.send)
        assert "Authorization" not in request.headers
        await response.aclose()
        return response.status


async def content_of(request: OutgoingRequest) -> bytes:
    """Return the content of a request that can be read twice."""
    content = request.content
    return await read_body(content) or b"" if content else b""


@pytest.mark.feature("F10")
@pytest.mark.parametrize("algorithm", ["MD5", "MD5-sess", "SHA-256", "SHA-256-sess"])
@pytest.mark.parametrize("qop", ["auth", "auth-int", "auth-int, auth"])
async def test_a_challenge_is_answered_and_then_no_more_needed(algorithm: str, qop: str) -> None:
    """The next requests count on with the nonce of the first. RFC 7616 §3.4.6"""
    server = Server(algorithm=algorithm, qop=qop)
    assert await server.ask() == 200
    assert await server.ask("https://a.example/other", method="POST", content=b"data") == 200
    assert await server.ask(method="PUT", content=json_content({"a": 1})) == 200
    assert server.refusals == 1
    assert sorted(server.used) == ["00000001", "00000002", "00000003"]


@pytest.mark.feature("F10")
async def test_a_wrong_password_is_tried_once() -> None:
    """And again only when somebody asks again."""
    server = Server()
    assert await server.ask(password="wrong") == 401
    assert len(server.transport.calls) == 2
    assert await server.ask(password="wrong") == 401
    assert await server.ask() == 200


@pytest.mark.feature("F10")
async def test_a_nonce_that_has_become_old_is_replaced() -> None:
    """Nobody notices but for one more request."""
    server = Server(stale_after=2)
    assert [await server.ask() for _ in range(5)] == [200] * 5
    assert server.refusals == 3


async def test_a_server_that_is_never_content_is_left() -> None:
    """Whatever it says is stale."""
    server = Server(stale_after=0)
    assert await server.ask() == 401
    assert len(server.transport.calls) == MAX_ATTEMPTS


@pytest.mark.feature("F10")
async def test_the_next_nonce_is_used_when_the_server_has_named_it() -> None:
    """RFC 7616 §3.5"""
    server = Server(next_nonce="1000")
    assert await server.ask() == 200
    server.nonce, server.used = 1000, set()
    assert await server.ask() == 200
    assert server.refusals == 1
    assert server.used == {"00000001"}


@pytest.mark.feature("F10")
async def test_no_challenge_of_another_origin_is_answered() -> None:
    """Its host, scheme and port each make another: the link knows no credentials for it."""
    server = Server()
    await server.ask()
    request = OutgoingRequest("GET", "https://b.example/x?y")  # as a redirect makes it
    request.auth_mode = "digest"
    response = await server.auth(request, server.transport.send)
    assert response.status == 401
    for call in server.transport.calls:
        if call.request.url != URL:
            assert "Authorization" not in call.request.headers
    # With credentials of its own it is asked anew.
    for url in ("http://a.example/", "https://a.example:444/"):
        before = len(server.transport.calls)
        assert await server.ask(url) == 200
        assert "Authorization" not in server.transport.calls[before].request.headers


async def test_what_is_not_meant_for_it_goes_through() -> None:
    """Another mode, and an Authorization of the program's own."""
    server = Server()
    assert await server.ask(mode="basic") == 401
    request = OutgoingRequest("GET", URL, HTTPHeaders({"Authorization": "Digest realm=x"}))
    request.credentials, request.auth_mode = ("u", "p"), "digest"
    transport = MockTransport()
    transport.on("*", "*", Answer(401, headers={"WWW-Authenticate": server.field(False)}))
    assert (await server.auth(request, transport.send)).status == 401
    assert len(transport.calls) == 1


@pytest.mark.parametrize(
    "field", ["", "Basic realm=a", 'Digest realm="', "Digest realm=a", "\xe9", "Digest qop=x"]
)
async def test_a_challenge_that_cannot_be_answered_is_the_result(field: str) -> None:
    """Nothing is guessed, and nothing raises."""
    transport = MockTransport()
    transport.on("*", "*", Answer(401, headers={"WWW-Authenticate": field}))
    request = OutgoingRequest("GET", URL)
    request.credentials, request.auth_mode = ("u", "p"), "digest"
    assert (await DigestAuth()(request, transport.send)).status == 401
    assert len(transport.calls) == 1


@pytest.mark.feature("F10")
@pytest.mark.parametrize(("qop", "replayable"), [("auth", False), ("auth-int", True)])
async def test_content_that_cannot_be_sent_or_signed_is_not(qop: str, replayable: bool) -> None:
    """The first time is answered with 401; once a challenge is known, ``auth`` needs no second."""

    async def generated() -> AsyncIterator[bytes]:
        yield b"data"

    def content() -> Any:
        return Pieces([b"data"] if replayable else generated())

    server = Server(qop=qop)
    assert await server.ask(method="PUT", content=content()) == 401
    assert len(server.transport.calls) == 1
    if not replayable:
        assert await server.ask() == 200
        assert await server.ask(method="PUT", content=content()) == 200


async def test_challenges_are_not_remembered_for_ever() -> None:
    """The oldest is forgotten."""
    server = Server()
    for number in range(MAX_KNOWN + 1):
        await server.ask(f"https://{number}.example/")
    before = len(server.transport.calls)
    await server.ask(f"https://{MAX_KNOWN}.example/")
    assert "Authorization" in server.transport.calls[before].request.headers
    before = len(server.transport.calls)
    await server.ask("https://0.example/")
    assert "Authorization" not in server.transport.calls[before].request.headers


async def test_a_malformed_authentication_info_means_nothing() -> None:
    """The response is good all the same."""
    server = Server(next_nonce='"')
    assert await server.ask() == 200
    response: StreamedResponse | None = server.transport.calls[-1].response
    assert response is not None
    assert response.status == 200


@pytest.mark.feature("F10")
async def test_a_redirect_takes_no_credentials_along() -> None:
    """Whoever it leads to may challenge as much as they like. CVE-2018-18074 and its like"""
    challenge = {"WWW-Authenticate": 'Digest realm="r", nonce="n"'}
    transport = MockTransport()
    transport.on("GET", "http://a.example/", Answer(302, headers={"Location": "http://b.example/"}))
    transport.on("GET", "http://b.example/", Answer(401, headers=challenge))
    async with AsyncHTTPClient(force_instance=True, transport=transport) as client:
        response = await client.get("http://a.example/", auth=("u", "p"), auth_mode="digest")
        assert response.status == 401
        response = await client.get("http://b.example/", auth=("u", "p"), auth_mode="digest")
    sent = [call.request.headers.get("Authorization", "") for call in transport.calls]
    assert sent[:3] == ["", "", ""]
    assert sent[3].startswith('Digest username="u"')
    assert len(sent) == 4
