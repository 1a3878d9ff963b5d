"""The contract of the HTTP/1 machine: misuse, state, cuts, and what one role tells the other."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.feeding import (
    GET,
    GET_BYTES,
    answer,
    client_after,
    describe,
    events,
    join_data,
    read,
    receive_response,
    serve,
    server_after,
)
from toolkit.wire.errors import (
    LocalProtocolError,
    ProtocolError,
    RemoteProtocolError,
    excerpt,
)
from toolkit.wire.events import (
    CHUNKED,
    CLOSED,
    NEED_DATA,
    PAUSED,
    Data,
    EndOfMessage,
    Event,
    Field,
    RequestHead,
    ResponseHead,
)
from toolkit.wire.http1 import CLIENT, DEFAULT_LIMITS, SERVER, Limits, Machine

examples = settings(max_examples=100, deadline=None, derandomize=True, database=None)

OK = ResponseHead(200)
EMPTY = ResponseHead(200, [("Content-Length", "0")])
FIVE = ResponseHead(200, [("Content-Length", "5")])
END = EndOfMessage()
X = Data(b"x")
POST = RequestHead("POST", "/", [("Host", "h")])


# -- misuse ------------------------------------------------------------------------------------


def fresh_server() -> Machine:
    """Return a server that has received nothing."""
    return Machine(SERVER)


def fresh_client() -> Machine:
    """Return a client that has sent nothing."""
    return Machine(CLIENT)


def server_with(*sent: Event) -> Callable[[], Machine]:
    """Return what makes a server that has read a GET and sent some events."""

    def make() -> Machine:
        machine = server_after()
        for event in sent:
            machine.send(event)
        return machine

    return make


def client_with(*sent: Event) -> Callable[[], Machine]:
    """Return what makes a client that has sent some events."""

    def make() -> Machine:
        machine = Machine(CLIENT)
        for event in sent:
            machine.send(event)
        return machine

    return make


def closed_server() -> Machine:
    """Return a server whose client wanted one answer and has it."""
    machine = server_after(b"GET / HTTP/1.0\r\n\r\n")
    answer(machine)
    return machine


def abandoned_server() -> Machine:
    """Return a server whose client was gone before it sent anything."""
    machine = Machine(SERVER)
    machine.receive(b"")
    machine.next_event()
    return machine


#: Machine, what must not be sent now, what may be sent all the same.
MISUSE: list[tuple[str, Callable[[], Machine], Event, Event | None]] = [
    ("response without a request", fresh_server, OK, None),
    ("data without a request", fresh_server, X, None),
    ("end without a request", fresh_server, END, None),
    ("response to nobody", abandoned_server, OK, None),
    ("response behind the last", closed_server, OK, None),
    ("data behind the last", closed_server, X, None),
    ("end behind the last", closed_server, END, None),
    ("second response to one request", server_with(EMPTY, END), OK, None),
    ("request from a server", server_with(), GET, OK),
    ("data before the head", server_with(), X, OK),
    ("end before the head", server_with(), END, OK),
    ("second head", server_with(OK), OK, X),
    ("interim response behind the head", server_with(OK), ResponseHead(100), X),
    ("request from a server behind the head", server_with(OK), GET, END),
    ("more data than the length", server_with(FIVE), Data(b"123456"), Data(b"12345")),
    ("end before the length", server_with(FIVE), END, Data(b"12345")),
    ("end before the last byte", server_with(FIVE, Data(b"1234")), END, X),
    ("trailers behind a length", server_with(EMPTY), EndOfMessage([("X", "y")]), END),
    ("bad trailer", server_with(OK), EndOfMessage([("X ", "y")]), END),
    ("status too small", server_with(), ResponseHead(99), OK),
    ("bad value", server_with(), ResponseHead(200, [("X", "\n")]), OK),
    ("response from a client", fresh_client, OK, GET),
    ("interim response from a client", fresh_client, ResponseHead(100), GET),
    ("data before a request", fresh_client, X, GET),
    ("end before a request", fresh_client, END, GET),
    ("request without Host", fresh_client, RequestHead("GET", "/"), GET),
    ("request without a method", fresh_client, RequestHead("", "/", [("Host", "h")]), GET),
    ("method of two words", fresh_client, RequestHead("A B", "/", [("Host", "h")]), GET),
    ("request without a target", fresh_client, RequestHead("GET", "", [("Host", "h")]), GET),
    ("second request", client_with(POST), GET, X),
    ("response behind a request", client_with(POST), OK, END),
    ("request before the response", client_with(POST, END), GET, None),
    ("data behind a request", client_with(POST, END), X, None),
    ("end behind a request", client_with(POST, END), END, None),
]


def state_of(machine: Machine) -> Sequence[object]:
    """Return all that can be seen of a machine from outside."""
    return (
        machine.keep_alive,
        machine.switched,
        machine.finished,
        machine.idle,
        machine.response_started,
        machine.unread,
        machine.max_body,
    )


@pytest.mark.parametrize(
    ("make", "wrong", "right"), [row[1:] for row in MISUSE], ids=[row[0] for row in MISUSE]
)
def test_misuse_sends_nothing_and_changes_nothing(
    make: Callable[[], Machine], wrong: Event, right: Event | None
) -> None:
    """A machine that refused goes on as one that was never asked."""
    machine, other = make(), make()
    before = state_of(machine)
    with pytest.raises(LocalProtocolError):
        machine.send(wrong)
    assert state_of(machine) == before
    if right is not None:
        assert machine.send(right) == other.send(right)
        assert state_of(machine) == state_of(other)


@pytest.mark.parametrize(
    "head", [ResponseHead(200), ResponseHead(200, [("Content-Length", "4")]), ResponseHead(103)]
)
def test_content_is_sent_or_refused(head: ResponseHead) -> None:
    """A piece of content that came with a head is never dropped in silence."""
    for end in (False, True):
        machine = server_after()
        try:
            raw = machine.send_head(head, b"body", end=end)
        except LocalProtocolError:
            assert not machine.response_started
        else:
            assert b"body" in raw


def test_one_root_catches_all_errors() -> None:
    """Both kinds of error are told apart, and the peer's carries a status."""
    assert issubclass(LocalProtocolError, ProtocolError)
    assert issubclass(RemoteProtocolError, ProtocolError)
    assert RemoteProtocolError("x").status == 400
    assert RemoteProtocolError("x", 431).status == 431


def test_an_excerpt_is_short_and_printable() -> None:
    """Untrusted input is quoted by its `repr`, cut to 100 characters."""
    assert excerpt(b"a\n") == "b'a\\n'"
    assert excerpt("a\u2028") == "'a\\u2028'"
    for long in (b"\0" * 10_000, "\x1b" * 10_000, b"a" * 99):
        assert len(excerpt(long)) == 100
        assert excerpt(long).isprintable()


def test_a_trusted_head_is_a_checked_one_made_sooner() -> None:
    fields = [("A", "b")]
    trusted = ResponseHead.trusted(404, fields, "Gone Away")
    usual = ResponseHead(404, fields, "Gone Away", checked=True)
    for name in ResponseHead.__slots__:
        assert getattr(trusted, name) == getattr(usual, name), name


def test_events_and_signals_show_what_they_are() -> None:
    """Their `repr` is short and holds no content."""
    assert repr(RequestHead("GET", "/\n")) == "<RequestHead GET '/\\n' HTTP/1.1>"
    assert repr(ResponseHead(404)) == "<ResponseHead 404 HTTP/1.1>"
    assert repr(Data(b"secret")) == "<Data 6 bytes>"
    assert repr(EndOfMessage()) == "<EndOfMessage>"
    assert repr((NEED_DATA, PAUSED, CLOSED)) == "(NEED_DATA, PAUSED, CLOSED)"


# -- state -------------------------------------------------------------------------------------


def test_a_connection_is_idle_between_messages_alone() -> None:
    """One byte of a request, or an answer under way, is enough to be busy."""
    machine = Machine(SERVER)
    assert machine.idle
    for octet in range(len(GET_BYTES)):
        read(machine, GET_BYTES[octet : octet + 1])
        assert not machine.idle
    machine.send(FIVE)
    assert not machine.idle
    machine.send(Data(b"hello"))
    assert not machine.idle
    machine.send(END)
    assert machine.idle
    client = Machine(CLIENT)
    assert client.idle
    client.send(GET)
    assert not client.idle


def test_response_started_tells_whether_an_answer_is_still_free() -> None:
    """It holds from the final head to the end of the message."""
    machine = server_after()
    assert not machine.response_started
    machine.send(ResponseHead(103))
    assert not machine.response_started
    machine.send(EMPTY)
    assert machine.response_started
    machine.send(END)
    assert not machine.response_started


def test_finished_means_that_both_sides_are_done() -> None:
    """An answer that is whole is not enough while its request is still to be read."""
    raw = b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 2\r\n\r\n"
    machine = server_after(raw)
    answer(machine)
    assert not machine.finished
    read(machine, b"hi")
    assert machine.finished


def test_an_answered_request_that_fails_later_is_finished() -> None:
    """No second answer is possible, so the connection is closed without one."""
    raw = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    machine = server_after(raw)
    answer(machine)
    assert not machine.finished
    with pytest.raises(RemoteProtocolError):
        read(machine, b"x\r\n")
    assert machine.finished
    assert not machine.keep_alive
    with pytest.raises(LocalProtocolError):
        answer(machine)


def test_a_server_can_be_asked_where_it_stands() -> None:
    """What is still to come of a request, and what of its answer, can be told at any time."""
    machine = Machine(SERVER)
    assert machine.reading_head
    read(machine, b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhe")
    assert not machine.reading_head
    assert not machine.body_ended
    assert machine.body_left == 3
    machine.receive(b"llo")
    assert isinstance(machine.next_event(), Data)
    assert machine.body_ended
    assert machine.body_left == 0
    assert isinstance(machine.next_event(), EndOfMessage)
    assert machine.body_ended
    assert not machine.quiet
    machine.send(EMPTY)
    assert not machine.response_ended
    machine.close_after()
    machine.send(END)
    assert machine.response_ended
    assert machine.quiet
    assert not machine.reading_head


def test_the_length_of_chunks_is_not_known() -> None:
    """Nothing can be said of what is missing until they have ended."""
    machine = server_after(
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe"
    )
    assert machine.body_left == 0
    assert not machine.body_ended


def test_a_client_that_left_is_quiet() -> None:
    """Though its request was read and waits for an answer."""
    machine = server_after()
    assert not machine.quiet
    machine.receive(b"")
    assert machine.quiet


def test_a_connection_can_be_handed_over_by_agreement() -> None:
    """HTTP ends on it at once, and nothing of it is lost."""
    machine = server_after(GET_BYTES + b"rest")
    machine.switch()
    assert machine.switched
    assert machine.next_event() is CLOSED
    assert machine.take_rest() == b"rest"
    with pytest.raises(LocalProtocolError):
        machine.send(OK)


def test_the_names_of_a_head_are_at_hand() -> None:
    """Each once, in lower case, for heads that were received."""
    machine = Machine(SERVER)
    head = read(machine, b"GET / HTTP/1.1\r\nHost: h\r\nX: a\r\nx: b\r\n\r\n")[0]
    assert isinstance(head, RequestHead)
    assert [head.has(name) for name in ("host", "x", "y")] == [True, True, False]
    assert head.names == {"host", "x"}
    assert head.raw_fields is head.raw_fields
    assert head.replace("GET", "/b").raw_fields is head.raw_fields
    assert [name.decode() for name, _ in head.raw_fields] == [name for name, _ in head.fields]


def test_unread_bytes_are_counted_and_taken() -> None:
    """What waits behind the current message can be handed to someone else."""
    machine = server_after(GET_BYTES + b"later")
    assert machine.unread == 5
    assert machine.take_rest() == b"later"
    assert machine.unread == 0
    answer(machine)
    assert machine.idle


def test_the_fields_of_a_request_are_its_own() -> None:
    """A request without fields has none, whatever came before and in which pieces."""
    bare = b"GET /bare HTTP/1.0\r\n\r\n"
    kept = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\nX: y\r\n"
    long = b"Z: " + b"z" * 9000 + b"\r\n"
    for earlier in ([kept + b"\r\n"], [kept, b"\r\n"], [kept + long + b"\r\n"]):
        said, error = serve(Machine(SERVER), [*earlier, bare])
        assert error is None
        assert said[2] == ("request", "GET", "/bare", "HTTP/1.0", (), "", 0, False, False, "")


def test_a_repeated_head_is_read_as_the_first_one_was() -> None:
    """Requests that are alike, or differ in their start line alone, are told apart rightly."""
    lines = [
        "GET / HTTP/1.1",
        "GET / HTTP/1.1",
        "GET /a HTTP/1.1",
        "POST /a HTTP/1.1",
        "GET /a HTTP/1.0",
        "GET http://other/a HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "CONNECT a:1 HTTP/1.1",
        "GET / HTTP/1.1",
    ]
    fields = "Host: h\r\nConnection: keep-alive\r\n\r\n"
    pieces = [f"{line}\r\n{fields}".encode() for line in lines]
    alone = [serve(Machine(SERVER), [piece])[0] for piece in pieces]
    together, error = serve(Machine(SERVER), pieces[:7] + pieces[8:])
    assert error is None
    assert together == [one for said in alone[:7] + alone[8:] for one in said]
    joined, _ = serve(Machine(SERVER), [b"".join(pieces[:7] + pieces[8:])])
    assert joined == together
    behind, _ = serve(Machine(SERVER), [pieces[0], pieces[7]])
    assert behind[2:] == alone[7]


def test_a_repeated_head_leaves_its_content_to_its_own_request() -> None:
    """Requests with content may repeat their heads, together or apart."""
    head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n"
    posts = [head + b"one", head + b"two"]
    alone = [serve(Machine(SERVER), [post])[0] for post in posts]
    for pieces in (posts, [b"".join(posts)], [posts[0], posts[1][:-1], posts[1][-1:]]):
        assert serve(Machine(SERVER), pieces) == ([*alone[0], *alone[1]], None)


# -- content that is taken at once -------------------------------------------------------------


def posting(content: bytes, length: int, limits: Limits = DEFAULT_LIMITS) -> Machine:
    """Return a server that has read the head of a request, and received some of its content."""
    machine = Machine(SERVER, limits)
    head = f"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n"
    machine.receive(head.encode() + content)
    machine.next_event()
    return machine


def test_content_that_is_all_here_is_taken_at_once() -> None:
    """What is behind it stays, and the answer to it begins the next request."""
    machine = posting(b"abc" + GET_BYTES, 3)
    assert machine.take_content() == b"abc"
    assert machine.body_ended
    assert machine.take_content() is None
    answer(machine)
    assert isinstance(machine.next_event(), RequestHead)


def test_content_that_was_taken_has_an_end_as_any() -> None:
    machine = posting(b"abc", 3)
    machine.take_content()
    assert isinstance(machine.next_event(), EndOfMessage)


def test_content_past_the_limit_is_not_taken() -> None:
    machine = posting(b"abc", 3, Limits(body=2))
    assert machine.take_content() is None
    with pytest.raises(RemoteProtocolError, match="Content-Length too long"):
        machine.next_event()


def test_content_may_come_past_the_machine() -> None:
    """What was read elsewhere is counted, and the end is the machine's to tell."""
    machine = Machine(SERVER)
    head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n"
    first = read(machine, head + b"ab")[-1]
    assert isinstance(first, Data)
    machine.skip_content(3)
    assert machine.body_left == 4
    machine.skip_content(4)
    assert machine.body_ended
    assert [type(event) for event in events(machine)] == [EndOfMessage]


@pytest.mark.parametrize(
    ("raw", "size"),
    [
        (b"Content-Length: 9\r\n\r\n", 1),
        (b"Content-Length: 9\r\n\r\nab", 8),
        (b"Transfer-Encoding: chunked\r\n\r\n9\r\nab", 1),
        (b"\r\n", 1),
    ],
    ids=["nothing read", "too much", "in chunks", "no content"],
)
def test_other_content_may_not(raw: bytes, size: int) -> None:
    """What is left of it has to be known, and the limit to have been looked at."""
    machine = server_after(b"POST / HTTP/1.1\r\nHost: h\r\n" + raw)
    with pytest.raises(ValueError, match="read elsewhere"):
        machine.skip_content(size)


def test_content_without_a_limit_is_taken() -> None:
    machine = posting(b"abc", 3, Limits(body=2))
    machine.max_body = None
    assert machine.take_content() == b"abc"


def test_content_that_is_not_all_here_is_not_taken() -> None:
    """Neither is the rest of what was begun."""
    machine = posting(b"a", 3)
    assert machine.take_content() is None
    machine.next_event()
    machine.receive(b"bc")
    assert machine.take_content() is None
    assert [event.data for event in events(machine) if isinstance(event, Data)] == [b"bc"]


@pytest.mark.parametrize("fields", ["Host: h\r\n", "Host: h\r\nConnection: keep-alive\r\n"])
def test_the_host_of_a_target_stays_with_its_request(fields: str) -> None:
    """The next request on the connection is for the host that its fields name, or its target."""
    hosts = []
    machine = Machine(SERVER)
    for target in ("/", "http://other/", "/", "/a", "http://other/", "/a", "http://third/", "/"):
        head = read(machine, f"GET {target} HTTP/1.1\r\n{fields}\r\n".encode())[0]
        assert isinstance(head, RequestHead)
        hosts.append(head.host)
        answer(machine)
    assert hosts == ["h", "other", "h", "h", "other", "h", "third", "h"]


def test_a_head_knows_the_names_of_its_fields() -> None:
    """In lower case, however often it is asked, and those of its own fields alone."""
    machine = Machine(SERVER)
    for line, names in (("X: y", {"host", "x"}), ("X: y", {"host", "x"}), ("Z: y", {"host", "z"})):
        for target in ("/a", "/b"):
            raw = f"GET {target} HTTP/1.1\r\nHost: h\r\n{line}\r\n\r\n".encode()
            head = read(machine, raw)[0]
            assert isinstance(head, RequestHead)
            assert head.names == head.names == names
            answer(machine)


def test_a_repeated_head_in_two_pieces_leaves_no_trace() -> None:
    """The request behind it is read from its first byte, wherever the pieces were cut."""
    for place in range(1, len(GET_BYTES)):
        twice = [GET_BYTES, GET_BYTES[:place], GET_BYTES[place:]]
        for later in (b"\r\n" + GET_BYTES, b"G\r\nET / HTTP/1.1\r\nHost: h\r\n\r\n", b"\0\r\n"):
            fresh, error = serve(Machine(SERVER), [later])
            said, again = serve(Machine(SERVER), [*twice, later])
            assert said[4:] == fresh
            assert (again and again.status) == (error and error.status)


@pytest.mark.parametrize(
    "line", ["G@T /a", "G@T http://h/", "GET /a#b", "GET @h", "GET *", "CONNECT /", "GET http://"]
)
def test_a_repeated_head_hides_no_bad_start_line(line: str) -> None:
    """Fields that are known to be good say nothing of the line before them."""
    bad = f"{line} HTTP/1.1\r\nHost: h\r\n\r\n".encode()
    for pieces in ([GET_BYTES, bad], [GET_BYTES + bad]):
        said, error = serve(Machine(SERVER), pieces)
        assert len(said) == 2
        assert error is not None
        assert error.status == 400


# -- cuts --------------------------------------------------------------------------------------

FRAGMENTS = [
    *[b"GET ", b"POST ", b"HEAD ", b"/ ", b"http://h/ ", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.2"],
    *[b"\r\n", b"\r\n", b"\r\n\r\n", b"\r", b"\n", b"\0", b"\xff", b" ", b"\t", b": "],
    *[b"Host: h\r\n", b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"X: y\r\n"],
    *[b"Connection: keep-alive\r\n", b"Connection: close\r\n", b"Expect: 100-continue\r\n"],
    *[b"3\r\nabc\r\n", b"0\r\n", b"0\r\n\r\n", b"1;a=b\r\nx\r\n", b"abc", b"X", GET_BYTES],
    b"GET / HTTP/1.0\r\n\r\n",
    b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"G@T http://h/ HTTP/1.1\r\nHost: h\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
]
FEW = Limits(head=90, fields=3, line=50, chunk_overhead=6, trailers=20, body=9, interim=2)


def cut_at(raw: bytes, places: list[int]) -> list[bytes]:
    """Cut an input at some places, taken modulo its length."""
    at = sorted({0, len(raw), *(place % (len(raw) + 1) for place in places)})
    return [raw[start:end] for start, end in pairwise(at)]


@settings(examples, max_examples=400)
@given(
    st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=9).map(b"".join),
    st.lists(st.integers(0, 400), max_size=5),
    st.sampled_from([DEFAULT_LIMITS, FEW]),
)
def test_any_bytes_mean_the_same_however_they_are_cut(
    raw: bytes, places: list[int], limits: Limits
) -> None:
    """Both roles say the same events and the same status, and raise nothing else."""
    outcomes: list[list[object]] = [[], []]
    for pieces in ([raw], [raw[at : at + 1] for at in range(len(raw))], cut_at(raw, places)):
        said, error = serve(Machine(SERVER, limits), pieces)
        outcomes[0].append((said, error and error.status))
        said, error = receive_response(client_after(limits=limits), pieces)
        outcomes[1].append((said, error and error.status))
    for whole, single, some in outcomes:
        assert whole == single == some


# -- one role to the other ---------------------------------------------------------------------

VALUE_TEXT = "".join(chr(code) for code in range(0x21, 0x100) if code != 0x7F)
names = st.text("!#$%&'*+-.^_`|~0123456789ABCXYZabcxyz", min_size=1, max_size=12).filter(
    lambda name: name.lower() not in ("te", "host", "expect", "upgrade", "connection")
)
values = st.text(VALUE_TEXT + " \t", max_size=20).map(lambda text: text.strip(" \t"))
fields = st.lists(st.tuples(names, values), max_size=6)
targets = st.text("/abc%20?=&~|\xe9", max_size=20).map(lambda text: "/" + text)
methods = st.sampled_from(["GET", "POST", "PUT", "DELETE", "FOO", "x-!"])
bodies = st.lists(st.binary(max_size=40), max_size=4)


def lower(pairs: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return fields as they are received: with their names in lower case."""
    return tuple((name.lower(), value) for name, value in pairs)


@examples
@given(methods, targets, fields, bodies, fields, st.lists(st.integers(0, 2000), max_size=4))
def test_a_server_reads_what_a_client_sends(
    method: str,
    target: str,
    pairs: list[tuple[str, str]],
    body: list[bytes],
    trailers: list[tuple[str, str]],
    places: list[int],
) -> None:
    """Start line, fields, content and trailers are the same, and the next request follows."""
    client = Machine(CLIENT)
    raw = client.send(RequestHead(method, target, [("Host", "h"), *pairs]))
    raw += b"".join(client.send(Data(piece)) for piece in body)
    raw += client.send(EndOfMessage(trailers))
    said, error = serve(Machine(SERVER), cut_at(raw + GET_BYTES, places))
    assert error is None
    expected = (("host", "h"), *lower(pairs), ("transfer-encoding", "chunked"))
    assert said[0] == (
        *("request", method, target, "HTTP/1.1", expected),
        *("h", CHUNKED, True, False, ""),
    )
    content = [("data", b"".join(body))] if any(body) else []
    assert said[1:-2] == [*content, ("end", lower(trailers))]
    assert said[-2][2] == "/"


@examples
@given(
    st.integers(200, 999).filter(lambda status: status not in (204, 205, 304)),
    st.none() | values,
    fields,
    bodies,
    st.sampled_from(["length", "chunks", "close", "one"]),
    st.lists(st.integers(0, 2000), max_size=4),
)
def test_a_client_reads_what_a_server_sends(
    status: int,
    reason: str | None,
    pairs: list[tuple[str, str]],
    body: list[bytes],
    way: str,
    places: list[int],
) -> None:
    """Status, reason, fields and content are the same for each way of framing."""
    whole = b"".join(body)
    version = "1.0" if way == "close" else "1.1"
    server = server_after(f"GET / HTTP/{version}\r\nHost: h\r\n\r\n".encode())
    given_length = [("Content-Length", str(len(whole)))] if way == "length" else []
    head = ResponseHead(status, [*pairs, *given_length], reason)
    if way == "one":
        raw = server.send_head(head, whole, end=True)
    else:
        raw = server.send(head) + b"".join(server.send(Data(piece)) for piece in body)
        raw += server.send(END)
    client = client_after()
    said, error = receive_response(client, cut_at(raw, places))
    client.receive(b"")
    said += map(describe, events(client))
    assert error is None
    assert said[0][1] == status
    assert reason is None or said[0][2] == reason
    received = said[0][4]
    assert isinstance(received, tuple)
    assert received[: len(pairs)] == lower(pairs)
    assert join_data(said)[1:] == [*([("data", whole)] if whole else []), ("end", ())]
    assert client.next_event() is CLOSED


def test_a_checked_head_is_sent_without_a_second_look() -> None:
    """What was checked where it was set is sent as it is, but nothing beyond Latin-1."""
    machine = Machine(SERVER)
    machine.receive(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    machine.next_event()
    with pytest.raises(LocalProtocolError):
        machine.send_head(ResponseHead(200, [("X", "\u20ac")], checked=True), b"", True)
    raw = machine.send_head(ResponseHead(200, [("X", "a")], checked=True), b"hi", True)
    assert raw == b"HTTP/1.1 200 OK\r\nX: a\r\nContent-Length: 2\r\n\r\nhi"


def test_a_machine_that_has_read_all_is_starved() -> None:
    """Unless an answer is due, or nothing more will come."""
    machine = Machine(SERVER)
    assert machine.starved()
    machine.receive(b"GET")
    assert not machine.starved()
    machine.receive(b" / HTTP/1.1\r\nHost: h\r\n\r\n")
    machine.next_event()
    assert not machine.starved()
    machine.send_whole(ResponseHead(200), b"")
    assert machine.starved()
    machine.receive(b"")
    assert not machine.starved()


def test_what_comes_amid_a_line_of_a_head_is_no_news() -> None:
    """As long as nothing is wrong with it; of a line that nobody has begun to read it may be."""
    machine = Machine(SERVER)
    assert machine.receive(b"GE")
    assert machine.next_event() is NEED_DATA
    assert machine.receive(b"T / HTTP/1.1\r\nX: ")
    assert machine.next_event() is NEED_DATA
    assert not machine.receive(b"y")
    assert not machine.receive(b"z")
    assert machine.receive(b"\r\nHost: h\r\n\r\n")
    head = machine.next_event()
    assert isinstance(head, RequestHead)
    assert head.fields == [("x", "yz"), ("host", "h")]


# -- data that the caller sends itself ---------------------------------------------------------


def test_data_that_was_counted_alone_ends_a_message() -> None:
    machine = server_after(GET_BYTES)
    machine.send_head(FIVE)
    machine.count_data(2)
    assert machine.send_data(b"abc") == b"abc"
    assert machine.send_end() == b""


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (FIVE, "Tried to write more data than Content-Length: 6 bytes with 5 left"),
        (OK, "6 bytes of data outside a body with Content-Length"),
        (None, "6 bytes of data outside a body with Content-Length"),
    ],
)
def test_data_is_counted_within_content_length_alone(
    head: ResponseHead | None, message: str
) -> None:
    machine = server_after(GET_BYTES)
    if head is not None:
        machine.send_head(head)
    with pytest.raises(LocalProtocolError) as caught:
        machine.count_data(6)
    assert str(caught.value) == message


# -- whole responses ---------------------------------------------------------------------------


_GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


@pytest.mark.parametrize(
    ("request_", "status", "reason", "fields"),
    [
        (_GET, 200, None, [("Server", "s"), ("X-Own", "\xe9")]),
        (_GET, 404, None, []),
        (_GET, 204, None, []),
        (_GET, 304, None, []),
        (_GET, 205, None, []),
        (_GET, 299, None, []),
        (_GET, 200, "Fine", []),
        (_GET, 200, None, [("content-length", "0")]),
        (_GET, 200, None, [("Content-Length", "5"), ("Server", "s")]),
        (_GET, 200, None, [("Content-Length", "5"), ("Content-Length", "5")]),
        (_GET, 200, None, [("Connection", "close")]),
        (_GET.replace(b"GET", b"HEAD"), 200, None, []),
        (_GET.replace(b"1.1", b"1.0"), 200, None, []),
        (_GET.replace(b"h\r\n", b"h\r\nConnection: close\r\n"), 200, None, []),
    ],
)
@pytest.mark.parametrize("checked", [True, False])
def test_a_whole_response_is_the_same_in_one_call(
    request_: bytes, status: int, reason: str | None, fields: list[Field], checked: bool
) -> None:
    """`send_whole` has a short way for what is usual, and no other outcome."""
    for body in (b"", b"hello"):
        results = []
        for whole in (True, False):
            machine = Machine(SERVER)
            machine.receive(request_)
            machine.next_event()
            head = ResponseHead(status, fields, reason, checked=checked)
            try:
                sent: object = (
                    machine.send_whole(head, body) if whole else machine.send_head(head, body, True)
                )
            except LocalProtocolError as error:
                sent = str(error)
            machine.receive(request_)
            results.append((sent, machine.keep_alive, repr(machine.next_event())))
        assert results[0] == results[1]


@pytest.mark.parametrize(
    ("request_", "status", "usual"),
    [
        (_GET, 200, True),
        (_GET, 404, True),
        (_GET, 204, False),
        (_GET, 299, False),
        (b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", 200, False),
        (b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", 200, False),
        (b"GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n", 200, False),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n", 200, False),
    ],
)
def test_a_usual_response_that_the_caller_sends_counts_as_one_of_the_machine(
    request_: bytes, status: int, usual: bool
) -> None:
    """With any other nothing has happened, and it can go out whole."""
    results = []
    for counted in (True, False):
        machine = Machine(SERVER)
        machine.receive(request_)
        machine.next_event()
        if counted:
            assert machine.count_whole(status) is usual
        if not (counted and usual):
            machine.send_whole(ResponseHead(status, [("Server", "s")]), b"")
        results.append((machine.keep_alive, machine.starved(), machine.response_ended))
        assert not machine.count_whole(status)
    assert results[0] == results[1]


def test_a_whole_response_may_follow_the_end_of_its_request() -> None:
    """The next cycle begins as where nobody has read that end."""
    request = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx"
    for reads in (2, 3):
        machine = Machine(SERVER)
        for _ in range(2):
            machine.receive(request)
            seen = [type(machine.next_event()) for _ in range(reads)]
            assert seen == [RequestHead, Data, EndOfMessage][:reads]
            machine.send_whole(ResponseHead(200, [], checked=True), b"")
            assert machine.idle


def test_a_whole_response_of_text_that_is_no_field_is_refused() -> None:
    """Though it is said to be checked; and the machine can go on."""
    machine = Machine(SERVER)
    machine.receive(_GET)
    machine.next_event()
    with pytest.raises(LocalProtocolError):
        machine.send_whole(ResponseHead(200, [("X", "\u20ac")], checked=True), b"")
    assert machine.send_whole(ResponseHead(200, [], checked=True), b"").startswith(b"HTTP/1.1 200")


def test_a_whole_response_after_the_last_one_is_refused() -> None:
    """As any other one."""
    machine = Machine(SERVER)
    for _ in range(2):
        with pytest.raises(LocalProtocolError):
            machine.send_whole(ResponseHead(200, [], checked=True), b"")
