"""`event_stream`: server-sent events written, and read however they are cut (WHATWG HTML §9.2)."""

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.feeding import cuttings
from tests.wire.test_linear import count_calls
from toolkit.wire.errors import LocalProtocolError, RemoteProtocolError
from toolkit.wire.event_stream import (
    EventStreamReader,
    ServerSentEvent,
    encode_comment,
    encode_event,
)
from toolkit.wire.events import CLOSED, NEED_DATA, Signal

#: Data, type and id.
Seen = tuple[str, str, str | None]


def drain(reader: EventStreamReader, seen: list[Seen]) -> Signal:
    """Add the events that are there to those seen; return the signal behind them."""
    while isinstance(event := reader.next_event(), ServerSentEvent):
        seen.append((event.data, event.event, event.id))
    return event


def read(
    pieces: Iterable[bytes],
    reader: EventStreamReader | None = None,
    seen: list[Seen] | None = None,
) -> list[Seen]:
    """Read a stream to its end; events are added to those `seen` before."""
    reader = reader or EventStreamReader()
    seen = [] if seen is None else seen
    for piece in pieces:
        reader.receive(piece)
        drain(reader, seen)
    reader.receive(b"")
    assert drain(reader, seen) is CLOSED
    return seen


def feed(reader: EventStreamReader, data: bytes) -> tuple[list[Seen], Signal]:
    """Feed some bytes; return what is there, and the signal behind it."""
    seen: list[Seen] = []
    reader.receive(data)
    return seen, drain(reader, seen)


def message(*data: str, id: str = "") -> list[Seen]:
    """Return what events of the usual type are read as."""
    return [(one, "message", id) for one in data]


# -- in ----------------------------------------------------------------------------------

#: Streams, and the events that come of them.
STREAMS: list[tuple[str, bytes, list[Seen]]] = [
    ("nothing", b"", []),
    ("one", b"data: a\n\n", message("a")),
    ("lines", b"data: a\ndata: b\n\n", message("a\nb")),
    ("no-space", b"data:a\n\n", message("a")),
    ("one-space-alone-goes", b"data:  a \n\n", message(" a ")),
    ("colons", b"data: a: b:\n\n", message("a: b:")),
    ("a-name-alone", b"data\n\n", message("")),
    ("two-empty-lines-of-data", b"data\ndata\n\n", message("\n")),
    ("types", b"event: x\ndata: a\n\ndata: b\n\n", [("a", "x", ""), ("b", "message", "")]),
    ("an-empty-type", b"event: x\nevent:\ndata: a\n\n", message("a")),
    ("no-data", b"event: x\n\ndata: a\n\n", message("a")),
    ("empty-lines", b"\n\n\ndata: a\n\n\n\n", message("a")),
    ("comments", b": hello\ndata: a\n:\ndata: b\n\n:bye\n\n", message("a\nb")),
    ("unknown-fields", b"dat: 1\nData: 2\n data: 3\ndata: a\nx\n\n", message("a")),
    ("cr", b"data: a\rdata: b\r\rdata: c\r\r", message("a\nb", "c")),
    ("crlf", b"data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n", message("a\nb", "c")),
    ("mixed", b"data: a\r\n\ndata: b\n\rdata: c\r\r\n", message("a", "b", "c")),
    (
        "other-line-ends-are-none",
        b"data: a\x0b\x0c\x85\xe2\x80\xa8b\n\n",
        message("a\x0b\x0c�\u2028b"),
    ),
    ("bom", b"\xef\xbb\xbfdata: a\n\n", message("a")),
    ("one-bom-alone", b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n", []),
    ("no-bom", b"\xef\xbbdata: a\n\n", []),
    ("utf-8", "event: é\ndata: ⅷ𝄞\n\n".encode(), [("ⅷ𝄞", "é", "")]),
    ("bad-utf-8", b"data: a\xff\xe2\x82\ndata: b\n\n", message("a��\nb")),
    ("nul", b"data: \0\n\n", message("\0")),
    ("id", b"id: 1\ndata: a\n\ndata: b\n\n", message("a", "b", id="1")),
    ("id-anew", b"id: 1\ndata: a\n\nid\ndata: b\n\n", message("a", id="1") + message("b")),
    ("id-with-nul", b"id: 1\nid: 2\0\ndata: a\n\n", message("a", id="1")),
    ("id-without-data", b"id: 1\n\ndata: a\n\n", message("a", id="1")),
    ("cut-in-data", b"data: a\n\ndata: b", message("a")),
    ("cut-before-the-end", b"data: a\n\ndata: b\n", message("a")),
    ("cut-in-bom", b"\xef\xbb", []),
]


@pytest.mark.parametrize(
    ("stream", "events"), [case[1:] for case in STREAMS], ids=[case[0] for case in STREAMS]
)
def test_a_stream_is_read_alike_however_it_is_cut(stream: bytes, events: list[Seen]) -> None:
    """§9.2.6"""
    for pieces in cuttings(stream):
        assert read([piece for piece in pieces if piece]) == events


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_cut_changes_what_is_read(data: st.DataObject) -> None:
    words = st.sampled_from(
        [b"data", b"id", b"event", b":", b" ", b"a", b"\r", b"\n", b"\xef", b"\0"]
    )
    stream = b"".join(data.draw(st.lists(words, max_size=60)))
    whole = read([stream] if stream else [])
    pieces = data.draw(st.lists(st.integers(1, 5), min_size=len(stream), max_size=len(stream)))
    at, cut = 0, []
    while at < len(stream):
        cut.append(stream[at : at + pieces[at]])
        at += len(cut[-1])
    assert read(cut) == whole


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_an_event_is_there_as_soon_as_its_last_line_ends(end: bytes) -> None:
    """A CR does not wait for the LF that may follow it."""
    reader = EventStreamReader()
    assert feed(reader, b"data: a" + end + end[:1]) == (message("a"), NEED_DATA)


def test_the_last_id_counts_once_its_event_is_whole() -> None:
    """§9.2.6: a client that loses the stream before asks for the event again."""
    reader = EventStreamReader(last_event_id="1")
    assert feed(reader, b"id: 2\ndata: a\n") == ([], NEED_DATA)
    assert reader.last_event_id == "1"
    assert feed(reader, b"\n") == (message("a", id="2"), NEED_DATA)
    assert reader.last_event_id == "2"


def test_events_go_on_with_the_id_of_a_stream_before() -> None:
    assert read([b"data: a\n\n"], EventStreamReader("7")) == message("a", id="7")


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        (b"retry: 1500", 1.5),
        (b"retry:0", 0.0),
        (b"retry: 1.5", None),
        (b"retry: -1", None),
        (b"retry", None),
        (b"retry: 1 ", None),
        ("retry: ²".encode(), None),
        (b"retry: " + b"9" * 12, 999999999.999),
        (b"retry: " + b"9" * 13, None),
        (b"retry: " + b"9" * 100_000, None),
    ],
    ids=lambda value: str(value)[:20],
)
def test_the_time_until_the_next_attempt_is_digits(line: bytes, seconds: float | None) -> None:
    reader = EventStreamReader()
    assert feed(reader, line + b"\n") == ([], NEED_DATA)
    assert reader.retry == seconds


@pytest.mark.parametrize(
    ("stream", "events", "words"),
    [
        (b"data: a\n\n" + b"x" * 9, message("a"), "more than 8 bytes in a line"),
        (b"data: a\n\n" + b"x" * 9 + b"\n\n", message("a"), "more than 8 bytes in a line"),
        (b"data: a\n\n" + b":\n" + b"data: b\n" * 3, message("a"), "more than 4 bytes of data"),
        (b"data\n" * 6, [], "more than 4 bytes of data"),
    ],
    ids=["no-end", "line", "data", "empty-lines-of-data"],
)
def test_what_passes_a_limit_is_refused_for_good(
    stream: bytes, events: list[Seen], words: str
) -> None:
    for pieces in cuttings(stream):
        reader = EventStreamReader(max_line=8, max_data=4)
        seen: list[Seen] = []
        with pytest.raises(RemoteProtocolError, match=words):
            read(pieces, reader, seen)
        assert seen == events
        reader.receive(b"data: a\n\n")
        with pytest.raises(RemoteProtocolError, match=words):
            reader.next_event()


def test_what_just_keeps_the_limits_is_read() -> None:
    for pieces in cuttings(b"data: ab\r\ndata:c\n\n:2345678\n"):
        assert read(pieces, EventStreamReader(max_line=8, max_data=4)) == message("ab\nc")


def test_a_long_line_in_small_pieces_takes_linear_time() -> None:
    def one_line(count: int) -> None:
        reader = EventStreamReader()
        for _ in range(count):
            reader.receive(b"x" * 10)
            reader.next_event()

    assert count_calls(lambda: one_line(2000)) < 2.2 * count_calls(lambda: one_line(1000))


# -- out ---------------------------------------------------------------------------------


@pytest.mark.feature("N02")
@pytest.mark.parametrize(
    ("written", "stream"),
    [
        (encode_event("a"), b"data: a\n\n"),
        (encode_event(""), b"data: \n\n"),
        (encode_event(" a"), b"data:  a\n\n"),
        (encode_event("a\nb\rc\r\nd\n"), b"data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n"),
        (encode_event("a\u2028b\x0b"), "data: a\u2028b\x0b\n\n".encode()),
        (
            encode_event("a", event="x", id="7", retry=1.5),
            b"event: x\nid: 7\nretry: 1500\ndata: a\n\n",
        ),
        (encode_event("a", event="message", id=""), b"id: \ndata: a\n\n"),
        (encode_event(None, id="7", retry=0), b"id: 7\nretry: 0\n\n"),
        (encode_comment(), b": \n\n"),
        (encode_comment("a\r\ndata: b\ndata: c"), b": a\n: data: b\n: data: c\n\n"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_is_written_is_what_the_format_asks_for(written: bytes, stream: bytes) -> None:
    assert written == stream


@pytest.mark.feature("N02")
@pytest.mark.parametrize("bad", ["\r", "\n", "\0", "a\r\ndata: b"], ids=repr)
@pytest.mark.parametrize("field", ["event", "id"])
def test_no_value_of_one_line_can_begin_another_field(field: str, bad: str) -> None:
    with pytest.raises(LocalProtocolError, match=f"{field} '.*no line end and no NUL"):
        encode_event("x", **{field: bad})  # type: ignore[arg-type]  # both are text


@pytest.mark.parametrize("retry", [-0.001, float("nan"), float("inf"), 1e9])
def test_a_time_that_no_client_takes_is_refused(retry: float) -> None:
    with pytest.raises(LocalProtocolError, match=r"retry .*; 0 to 1000000000 seconds"):
        encode_event("x", retry=retry)


@pytest.mark.parametrize("write", [encode_event, encode_comment])
def test_text_that_is_no_text_is_refused(write: object) -> None:
    assert callable(write)
    with pytest.raises(LocalProtocolError, match="UTF-8"):
        write("\ud800")


#: Any text, with what means something in a stream more often.
TEXT = st.text(st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("\r\n\0: ")))
LINE = TEXT.map(lambda text: text.translate({0: None, 10: None, 13: None}))


@pytest.mark.feature("N02")
@settings(max_examples=200, deadline=None)
@given(TEXT, LINE, LINE, TEXT)
def test_what_was_written_is_read_again_and_nothing_else(
    data: str, event: str, id: str, comment: str
) -> None:
    stream = encode_comment(comment) + encode_event(data, event=event, id=id) + encode_comment(data)
    text = data.replace("\r\n", "\n").replace("\r", "\n")
    assert read([stream]) == [(text, event or "message", id)]
