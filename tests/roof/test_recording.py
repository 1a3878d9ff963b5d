"""What a transport has recorded is said again, without the secrets in it."""

import json
from pathlib import Path
from typing import Any

import pytest

from toolkit.httpclient.content import Body, Content
from toolkit.httpclient.encoding import encode, json_content
from toolkit.httpclient.errors import HTTPStreamClosedError, HTTPTimeoutError
from toolkit.httpclient.transport import OutgoingRequest, StreamedResponse
from toolkit.httputil import HTTPHeaders
from toolkit.testing.mock_transport import Answer, MockTransport, Reply, UnexpectedRequestError
from toolkit.testing.recording import Recorder, ReplayTransport
from toolkit.testing.redaction import Redaction

pytestmark = [
    pytest.mark.asyncio(loop_factories=["asyncio"]),
    pytest.mark.feature("F25"),
]

URL = "https://a.example/"


class Tape:
    """A file, with what is sent to be recorded on it."""

    def __init__(self, path: Path, *replies: Reply, redaction: Redaction | None = None) -> None:
        self.path = path / "tape.jsonl"
        self.redaction = redaction
        self.inner = MockTransport()
        self.inner.on("*", "*", *replies)
        self.recorder = Recorder(self.path, redaction)

    async def record(self, *args: Any, **kwargs: Any) -> bytes:
        """Send a request whose response is read, and return its content."""
        response = await self.recorder(outgoing(*args, **kwargs), self.inner.send)
        return await response.read()

    def replay(self, strict: bool = True) -> ReplayTransport:
        """Return what answers from the file."""
        return ReplayTransport(self.path, strict, self.redaction)

    @property
    def text(self) -> str:
        """Return what is in the file."""
        return self.path.read_text()


def outgoing(
    method: str = "GET",
    url: str = URL,
    content: Body = None,
    headers: dict[str, str] | None = None,
) -> OutgoingRequest:
    """Return a request."""
    return OutgoingRequest(method, url, HTTPHeaders(headers or {}), content)


async def test_a_response_comes_again_as_it_was(tmp_path: Path) -> None:
    """Status, reason, fields and content, be it text or not."""
    headers = HTTPHeaders({"X-A": "1", "Content-Type": "text/plain"})
    headers.add("X-A", "2")
    tape = Tape(tmp_path, Answer(201, "caf\xe9", headers), Answer(200, b"\xff\x00"))
    contents = [await tape.record("PUT", content=b"data"), await tape.record()]
    replay = tape.replay()
    first = await replay.send(outgoing("PUT", content=b"data"))
    assert (first.status, first.reason) == (201, "Created")
    assert first.headers.get_list("X-A") == ["1", "2"]
    second = await replay.send(outgoing())
    assert [await first.read(), await second.read()] == contents
    replay.assert_all_used()
    assert [json.loads(line)["request"]["method"] for line in tape.text.splitlines()] == [
        "PUT",
        "GET",
    ]


async def test_secrets_are_not_recorded(tmp_path: Path) -> None:
    """In fields, URLs, forms and JSON; the program gets them, and the file does not."""
    login = Answer(
        200,
        headers={"Set-Cookie": "sid=s3cret; Path=/; Secure", "X-Mine": "s3cret"},
        json={"access_token": "s3cret", "expires": 60, "list": [{"Password": "s3cret"}], "key": {}},
    )
    tape = Tape(tmp_path, login, redaction=Redaction(headers=["X-Mine"], names=["pin-code"]))
    headers = {"Authorization": "Bearer s3cret", "Cookie": "a=s3cret", "X-Seen": "yes"}
    url = "https://u:s3cret@a.example/?api_key=s3cret&page=1&Pin_Code=s3cret"
    form = encode(form={"password": "s3cret", "name": "Ann"})
    assert b"s3cret" in await tape.record("POST", url, form, headers)
    await tape.record("POST", content=json_content({"a": [{"client-secret": "s3cret"}]}))
    assert tape.inner.calls[0].request.headers["Authorization"] == "Bearer s3cret"
    assert tape.inner.calls[0].content == b"password=s3cret&name=Ann"
    assert "s3cret" not in tape.text
    entry = json.loads(tape.text.splitlines()[0])
    assert entry["request"]["url"] == (
        "https://a.example/?api_key=REDACTED&page=1&Pin_Code=REDACTED"
    )
    assert ["X-Seen", "yes"] in entry["request"]["headers"]
    assert ["Set-Cookie", "sid=REDACTED; Path=/; Secure"] in entry["response"]["headers"]
    # Other secrets make the same request.
    replay = tape.replay()
    form = encode(form={"password": "other", "name": "Ann"})
    response = await replay.send(outgoing("POST", url.replace("s3cret", "other"), form))
    data = await response.read()
    assert json.loads(data) == {
        "access_token": "REDACTED",
        "expires": 60,
        "list": [{"Password": "REDACTED"}],
        "key": {},
    }
    assert response.headers["Content-Length"] == str(len(data))


async def test_what_only_calls_itself_json_is_recorded_as_it_is(tmp_path: Path) -> None:
    """Nothing is lost of it."""
    tape = Tape(tmp_path, Answer(200, b"{token", {"Content-Type": "application/json"}))
    content = await tape.record()
    assert await (await tape.replay().send(outgoing())).read() == content


async def test_content_is_part_of_what_makes_requests_alike(tmp_path: Path) -> None:
    """But not the boundary of a form, which is made by chance."""
    tape = Tape(tmp_path, Answer(200, b"a"), Answer(200, b"b"))
    await tape.record("POST", content=encode(files={"f": b"one"}))
    await tape.record("POST", content=b"two")
    sent = tape.inner.calls[0].request.content
    assert isinstance(sent, Content)
    assert sent.content_type is not None
    assert sent.content_type.startswith("multipart/form-data; boundary=part-")
    replay = tape.replay(strict=False)
    answers = [
        await (await replay.send(outgoing("POST", content=content))).read()
        for content in (b"two", encode(files={"f": b"one"}))
    ]
    assert answers == [b"b", b"a"]
    with pytest.raises(UnexpectedRequestError, match="three"):
        await replay.send(outgoing("POST", content=b"three"))


async def test_strict_is_the_order_of_the_recording(tmp_path: Path) -> None:
    """Anything else is told with what would have come."""
    tape = Tape(tmp_path)
    for path in ("a", "b"):
        await tape.record(url=URL + path)
    replay = tape.replay()
    with pytest.raises(UnexpectedRequestError, match=r"GET https://a.example/b .*GET .*/a "):
        await replay.send(outgoing(url=URL + "b"))
    replay = tape.replay()
    await replay.send(outgoing(url=URL + "a"))
    with pytest.raises(AssertionError, match="lines 2"):
        replay.assert_all_used()
    await replay.send(outgoing(url=URL + "b"))
    replay.assert_all_used()
    with pytest.raises(UnexpectedRequestError, match="comes next is nothing"):
        await replay.send(outgoing(url=URL + "a"))


async def test_not_strict_is_any_order_and_again(tmp_path: Path) -> None:
    """Of those alike one after the other, and the last for ever."""
    tape = Tape(tmp_path, Answer(200, b"1"), Answer(200, b"2"), Answer(200, b"3"))
    for path in ("a", "a", "b"):
        await tape.record(url=URL + path)
    replay = tape.replay(strict=False)

    async def get(path: str) -> bytes:
        return await (await replay.send(outgoing(url=URL + path))).read()

    assert [await get(path) for path in "babaa"] == [b"3", b"1", b"3", b"2", b"2"]
    replay.assert_all_used()
    await replay.aclose()


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError("no"),
        HTTPTimeoutError("late"),
        HTTPStreamClosedError("gone"),
        ConnectionAbortedError("odd"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_errors_are_recorded_too(tmp_path: Path, error: Exception) -> None:
    """They come again; one of a kind that is not known as an OSError."""
    tape = Tape(tmp_path, error)
    with pytest.raises(type(error)):
        await tape.record()
    kind = OSError if isinstance(error, ConnectionAbortedError) else type(error)
    with pytest.raises(kind, match=str(error)) as caught:
        await tape.replay().send(outgoing())
    assert type(caught.value) is kind


async def test_a_response_that_was_given_up_comes_as_far_as_it_was_read(tmp_path: Path) -> None:
    """And then fails, since nobody knows the rest."""
    tape = Tape(tmp_path, Answer(200, [b"a", b"b", b"c"]))
    response: StreamedResponse = await tape.recorder(outgoing(), tape.inner.send)
    assert await response.source.read() == b"a"
    await response.aclose()
    replayed = await tape.replay().send(outgoing())
    assert await replayed.source.read() == b"a"
    with pytest.raises(HTTPStreamClosedError):
        await replayed.source.read()


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"request": {"method": "GET"}}'])
async def test_what_is_no_recording_is_an_error(tmp_path: Path, line: str) -> None:
    """It says where."""
    (tmp_path / "tape.jsonl").write_text(line)
    with pytest.raises(ValueError, match="line 1"):
        ReplayTransport(tmp_path / "tape.jsonl")
