"""`multipart`: forms whole and in pieces, and what no form may be (RFC 7578, RFC 2046 §5.1)."""

import tracemalloc
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.feeding import cuttings
from tests.wire.test_linear import count_calls
from toolkit.wire.errors import RemoteProtocolError
from toolkit.wire.events import CLOSED, NEED_DATA, Data, EndOfMessage, Signal
from toolkit.wire.multipart import (
    DEFAULT_LIMITS,
    MAX_BOUNDARY,
    MAX_PADDING,
    EndOfPart,
    FormLimits,
    MultipartReader,
    PartHead,
    form_boundary,
    parse_multipart,
)

#: Name, file name, content type and content.
Part = tuple[str, str | None, str, bytes]

FIELD = b'Content-Disposition: form-data; name="a"\r\n'


def part(head: bytes = FIELD, data: bytes = b"x", boundary: bytes = b"b") -> bytes:
    """Write one part with the delimiter before it.

    Args:
        head: its fields, each ended by CRLF.
    """
    return b"--" + boundary + b"\r\n" + head + b"\r\n" + data + b"\r\n"


def form(*parts: bytes, boundary: bytes = b"b") -> bytes:
    """Write a whole body."""
    return b"".join(parts) + b"--" + boundary + b"--\r\n"


def disposition(parameters: str) -> bytes:
    """Write the field that says what a part is."""
    return f"Content-Disposition: form-data; {parameters}\r\n".encode()


def parts_of(
    body: bytes, boundary: bytes = b"b", limits: FormLimits = DEFAULT_LIMITS
) -> list[Part]:
    """Read a whole form."""
    found = parse_multipart(boundary, body, limits)
    return [(head.name, head.filename, head.content_type, data) for head, data in found]


def contents(body: bytes, boundary: bytes = b"b") -> list[bytes]:
    """Return what the parts of a form contain."""
    return [data for *_, data in parts_of(body, boundary)]


def stream(
    pieces: Iterable[bytes], limits: FormLimits = DEFAULT_LIMITS, boundary: bytes = b"b"
) -> tuple[list[Part], tuple[str, int] | None]:
    """Feed a reader all pieces and the end.

    Returns:
        The parts that are whole, and the error that ended it, if there was one.
    """
    reader = MultipartReader(boundary, limits)
    parts: list[Part] = []
    said: list[PartHead | bytes] = []
    try:
        for piece in [*pieces, b""]:
            reader.receive(piece)
            while not isinstance(event := reader.next_event(), Signal):
                if isinstance(event, EndOfPart):
                    parts.append(joined(said))
                    said = []
                elif isinstance(event, EndOfMessage):
                    assert said == []
                else:
                    said.append(event.data if isinstance(event, Data) else event)
    except RemoteProtocolError as error:
        failure = str(error), error.status
    else:
        assert reader.next_event() is CLOSED
        return parts, None
    # Whatever comes then, the error stays.
    for more in (b"more", b""):
        with pytest.raises(RemoteProtocolError) as again:
            reader.next_event()
        assert (str(again.value), again.value.status) == failure
        reader.receive(more)
    return parts, failure


def joined(said: list[PartHead | bytes]) -> Part:
    """Return a part from its head and the pieces of its content."""
    head, *pieces = said
    assert isinstance(head, PartHead)
    assert all(pieces)
    return head.name, head.filename, head.content_type, b"".join(pieces)  # type: ignore[arg-type]


class Counted(bytes):
    """Bytes that count how many of them are searched.

    Attributes:
        searched: sum over all searches.
    """

    searched = 0

    def find(self, *args: object) -> int:  # type: ignore[override]
        found = super().find(*args)  # type: ignore[arg-type]
        start = args[1] if len(args) > 1 else 0
        assert isinstance(start, int)
        self.searched += (len(self) if found < 0 else found) - start
        return found


def cut(body: bytes, size: int = 7) -> list[bytes]:
    """Cut a body into pieces of one size."""
    return [body[at : at + size] for at in range(0, len(body), size)]


# -- forms -------------------------------------------------------------------------------


def test_fields_and_files_are_read_in_order() -> None:
    body = form(
        part(disposition('name="field"'), b"value"),
        part(
            disposition('name="file"; filename="f.txt"') + b"Content-Type: text/plain\r\n", b"1\n"
        ),
        part(disposition('name="field"'), b"again"),
    )
    assert parts_of(body) == [
        ("field", None, "", b"value"),
        ("file", "f.txt", "text/plain", b"1\n"),
        ("field", None, "", b"again"),
    ]


def test_a_form_may_be_empty() -> None:
    assert parse_multipart(b"b", b"--b--") == []
    assert parse_multipart(b"b", b"--b--\r\n") == []


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n",
        b"\r",
        b"\n",
        b"\r\n\r\n",
        b"x--b\r\n",
        b"\n--b--",
        b"\r--b--",
        b"\r\n-b",
        b"\r\n--",
        b"\r\n--a",
        b"\x00\xff" * 10,
        b"\r\n" + FIELD + b"\r\n",
    ],
)
def test_the_content_of_a_part_is_given_as_it_is(data: bytes) -> None:
    """Only CRLF, the dashes and the boundary together end it."""
    assert contents(form(part(data=data), part(data=b"next"))) == [data, b"next"]


@pytest.mark.parametrize(
    "before", [b"", b"\r\n", b"preamble\r\n", b"--c\r\n", b"x" * 1000 + b"\r\n"]
)
@pytest.mark.parametrize("after", [b"", b"\r\n", b"epilogue", b"\r\n--b\r\nnothing", b"--b"])
def test_what_is_before_and_after_the_parts_is_ignored(before: bytes, after: bytes) -> None:
    """RFC 2046 §5.1.1"""
    body = before + part() + b"--b--" + after
    assert contents(body) == [b"x"]


@pytest.mark.parametrize("fields", [FIELD, FIELD.lower(), FIELD + b"X: y\r\n"])
def test_the_first_boundary_of_a_whole_form_may_be_missing(fields: bytes) -> None:
    """As Tornado reads it; what comes in pieces needs it."""
    body = form(part(fields), part(data=b"y")).removeprefix(b"--b\r\n")
    assert contents(body) == [b"x", b"y"]
    assert [data for *_, data in stream([body])[0]] == [b"y"]
    with pytest.raises(RemoteProtocolError, match="too many parts; 1 are allowed"):
        parse_multipart(b"b", body, FormLimits(parts=1))
    with pytest.raises(RemoteProtocolError, match="too many parts; 0 are allowed"):
        parse_multipart(b"b", body, FormLimits(parts=0))


@pytest.mark.parametrize("before", [b"x", b"x\n", b"x\r", b"x\n\r"])
def test_a_boundary_counts_at_the_start_of_a_line_only(before: bytes) -> None:
    """And only CRLF ends a line: here the first boundary belongs to the preamble."""
    assert parts_of(before + form(part(), part(data=b"y"))) == [("a", None, "", b"y")]


def test_whitespace_may_follow_a_boundary() -> None:
    """Transport padding. RFC 2046 §5.1.1"""
    body = b"--b \t \r\n" + FIELD + b"\r\nx\r\n--b--"
    assert contents(body) == [b"x"]


@pytest.mark.parametrize("boundary", [b"b", b"x" * MAX_BOUNDARY, b"'()+_,-./:=?", b"a b", b"\xe9"])
def test_a_boundary_is_taken_as_it_is(boundary: bytes) -> None:
    body = form(part(boundary=boundary), boundary=boundary)
    assert contents(body, boundary) == [b"x"]


def test_names_of_fields_ignore_case_and_others_are_ignored() -> None:
    head = b'CONTENT-disposition: FORM-DATA; NAME="a"\r\ncontent-TYPE: Text/Plain\r\nX: y\r\n'
    head += b"Content-Transfer-Encoding: base64\r\n"
    assert parts_of(form(part(head))) == [("a", None, "Text/Plain", b"x")]


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        (b'"a b"', "a b"),
        (b"a", "a"),
        (b'""', ""),
        (b'"a;b=c"', "a;b=c"),
        (rb'"a\"b\\c"', 'a"b\\c'),
        (b'"a%22b"', "a%22b"),
        ('"é€😀"'.encode(), "é€😀"),
        (b'"\xe9"', "é"),  # not UTF-8: taken as ISO 8859-1
    ],
)
def test_names_are_read_as_browsers_send_them(sent: bytes, name: str) -> None:
    """RFC 7578 §5.1"""
    head = b"Content-Disposition: form-data; name=" + sent + b"; filename=" + sent + b"\r\n"
    assert parts_of(form(part(head))) == [(name, name, "", b"x")]


@pytest.mark.parametrize(
    "filename",
    ["../../etc/passwd", "/etc/passwd", "CON", ".", "..", "", "x" * 300, "a/b;c", "a\tb"],
)
def test_a_filename_is_given_as_the_client_named_it(filename: str) -> None:
    """Nothing is left out, so that who uses it can see what it was."""
    [found] = parts_of(form(part(disposition(f'name="a"; filename="{filename}"'))))
    assert found[1] == filename


@pytest.mark.parametrize("length", [b"-1", b"+5", b"5_0", b"0", b"999999999999", b"x"])
def test_a_length_that_a_part_claims_means_nothing(length: bytes) -> None:
    """GHSA-v9pg-7xvm-68hf (python-multipart): -1 read all that followed. RFC 7578 §4.8"""
    head = FIELD + b"Content-Length: " + length + b"\r\n"
    assert contents(form(part(head, b"12"), part(head, b"34"))) == [b"12", b"34"]


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(
    "extended",
    [
        "filename*=utf-8''..%2fevil.php",
        "filename*=utf-8''%61.php",
        "filename*=utf-8''a.txt%00.php",
        "filename*=utf-8''\u0430.txt",  # not percent-encoded
        "filename*=utf-8''%D0%B0.txt",  # a Cyrillic letter that looks the same
        "filename*=iso-8859-1''%E1.txt",
        "filename*=utf-8''%E1.txt",
        "filename*=utf-8''%C3%A1%2etxt%",
        "filename*=x",
        "filename*=",
        "name*=utf-8''evil",
    ],
)
def test_extended_parameters_change_nothing(first: bool, extended: str) -> None:
    """A sender must not use them here, and two views of a name are how filters are passed.

    GHSA-vffw-93wf-4j4q (python-multipart), RFC 7578 §4.2
    """
    plain = 'name="a"; filename="a.txt"'
    order = (plain, extended) if first else (extended, plain)
    assert parts_of(form(part(disposition("; ".join(order))))) == [("a", "a.txt", "", b"x")]


@pytest.mark.parametrize(
    ("plain", "extended", "filename"),
    [
        ("ab.txt", "UTF-8''%C3%A1b.txt", "áb.txt"),
        ("ab.txt", "utf-8'en'a%cc%81b.txt", "a\u0301b.txt"),
        ("a b.txt", "utf-8''%c3%a1%20b.txt", "á b.txt"),
        ("ab.txt", "utf-8''ab.txt", "ab.txt"),
    ],
)
def test_an_extended_filename_may_put_accents_on(plain: str, extended: str, filename: str) -> None:
    """It is the same name to everybody who looked at the plain one."""
    head = disposition(f'name="a"; filename="{plain}"; filename*={extended}')
    assert parts_of(form(part(head))) == [("a", filename, "", b"x")]


def test_an_extended_filename_alone_makes_no_file() -> None:
    [found] = parts_of(form(part(disposition("name=a; filename*=utf-8''x.txt"))))
    assert found[1] is None


@pytest.mark.parametrize(
    ("sent", "filename"),
    [
        (r"C:\new\file.txt", r"C:\new\file.txt"),
        (r"a\b\\c\"d", 'a\\b\\c"d'),
        ("%22%0D%0A", "%22%0D%0A"),
    ],
)
def test_backslashes_are_escapes_only_where_they_have_to_be(sent: str, filename: str) -> None:
    """Browsers send them as they are, and escape by percent what would end the name."""
    [found] = parts_of(form(part(disposition(f'name="a"; filename="{sent}"'))))
    assert found[1] == filename


def test_the_fields_of_a_part_are_there() -> None:
    """Whether it is like most or not."""
    for more in (b"", b"X: y\r\n"):
        body = form(part(disposition('name="\xe9"') + b"Content-Type: text/plain; a=b\r\n" + more))
        [(head, _)] = parse_multipart(b"b", body)
        assert list(head.fields) == [
            ("content-disposition", 'form-data; name="\xc3\xa9"'),
            ("content-type", "text/plain; a=b"),
            *([("x", "y")] if more else []),
        ]


def test_a_part_may_have_no_content_at_all() -> None:
    """Not even the line end before the boundary. RFC 2046 §5.1.1"""
    empty = b"--b\r\n" + FIELD + b"\r\n"
    assert contents(form(empty, empty)) == [b"", b""]
    assert contents(form(part(), empty, part(), empty)) == [b"x", b"", b"x", b""]


def test_events_have_a_short_repr() -> None:
    reader = MultipartReader(b"b")
    reader.receive(form(part(disposition(f'name="{"n" * 1000}"'))))
    shown = [repr(reader.next_event()) for _ in range(4)]
    assert shown[0].startswith("<PartHead 'nnn")
    assert len(shown[0]) < 200
    assert shown[1:] == ["<Data 1 bytes>", "<EndOfPart>", "<EndOfMessage>"]


# -- pieces ------------------------------------------------------------------------------


PIECES = {
    "fields and files": form(
        part(),
        part(disposition('name="b"; filename="c"') + b"Content-Type: a/b\r\n", b"\r\n--\r\n-"),
        part(b"X: y\r\n" + FIELD, b"\r"),
        part(data=b""),
    ),
    "preamble and epilogue": b"x\r\n--\r\n--c\r\n" + form(part(data=b"\r\n--a")) + b"\r\n--b\r\nx",
    "padding": b"--b \t\r\n" + FIELD + b"\r\nx\r\n--b\t\r\n" + FIELD + b"\r\n\r\n--b--",
    "no line end before a boundary": b"--b\r\n" + FIELD + b"\r\n--b\r\n" + FIELD + b"\r\n--b--",
    "nothing": b"",
    "no closing boundary": part(),
    "cut in the fields": b"--b\r\n" + FIELD[:-1],
    "text after a boundary": b"--bx\r\n" + FIELD + b"\r\nx\r\n--b--",
    "endless text after a boundary": b"--b" + b" " * 200,
    "control character": part(FIELD + b"X: \x00\r\n"),
    "control character after a boundary": b"--b\x00\r\n",
    "no name": form(part(), part(b"X: y\r\n")),
    "too many parts": form(part(), part(), part(), part(), part(), part()),
    "too many fields": form(part(FIELD + b"X: y\r\n" * 4)),
    "too long fields": form(part(FIELD + b"X: " + b"y" * 200 + b"\r\n")),
    "too long, but usual": form(part(disposition(f'name="{"n" * 200}"'))),
    "too much in a field": form(part(data=b"x" * 20)),
    "too much in a file": form(part(disposition("name=a; filename=b"), data=b"x" * 30)),
    "too much in all parts": form(part(data=b"x" * 14), part(data=b"x" * 14), part()),
    "too much in all parts and the last": form(part(data=b"x" * 14), part(data=b"x" * 30)),
    "too much in the last part and all": form(part(data=b"x" * 4), part(data=b"x" * 30)),
    "too long a name": form(part(disposition("name=" + "n" * 21))),
    "too much before the parts": b"x" * 31 + b"\r\n" + form(part()),
    "too much behind the parts": form(part()) + b"x" * 31,
}
SMALL = FormLimits(5, 100, 4, name=20, field=15, file=25, content=28, outside=30)


@pytest.mark.parametrize("body", PIECES.values(), ids=PIECES)
def test_where_a_form_is_cut_means_nothing(body: bytes) -> None:
    """Neither for what is read, nor for the error, of which there is one at most."""
    expected = stream([body], SMALL)
    for pieces in cuttings(body):
        assert stream(pieces, SMALL) == expected


def test_the_table_has_both_good_and_bad_forms() -> None:
    results = {name: stream([body], SMALL)[1] for name, body in PIECES.items()}
    assert [name for name, error in results.items() if error is None] == list(PIECES)[:4]
    assert {error[1] for error in results.values() if error} == {400, 413}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("too much in all parts", "in a form; 28 bytes"),
        ("too much in all parts and the last", "in a form; 28 bytes"),
        ("too much in the last part and all", "in a part; 15 bytes"),
        ("too long a name", "of 21 characters; 20 are"),
        ("too much before the parts", "before the first boundary of a form; 30 bytes"),
        ("too much behind the parts", "behind the last boundary of a form; 30 bytes"),
    ],
)
def test_a_limit_is_named_by_what_passed_it(name: str, message: str) -> None:
    error = stream([PIECES[name]], SMALL)[1]
    assert error is not None
    assert message in error[0]


@pytest.mark.parametrize("limits", [FormLimits(content=3), FormLimits(field=2, content=3)])
def test_content_up_to_the_limits_is_read(limits: FormLimits) -> None:
    assert len(stream([form(part(data=b"xx"), part())], limits)[0]) == 2
    assert stream([form(part(data=b"xx"), part(data=b"xx"))], limits)[1] is not None


def test_a_part_that_comes_in_pieces_is_passed_on_in_pieces() -> None:
    """Nothing of it is kept, and a piece that holds nothing else is the object that came.

    CVE-2024-47874 (Starlette): a field was gathered without a bound.
    """
    reader = MultipartReader(b"b")
    reader.receive(b"--b\r\n" + FIELD + b"\r\n")
    assert isinstance(reader.next_event(), PartHead)
    assert reader.next_event() is NEED_DATA
    for _ in range(100):
        piece = b"x" * 4096
        reader.receive(piece)
        event = reader.next_event()
        assert isinstance(event, Data)
        assert event.data is piece
        assert reader.next_event() is NEED_DATA


def test_after_the_end_nothing_is_kept() -> None:
    """CVE-2026-40347 (python-multipart): an epilogue was read byte by byte."""
    reader = MultipartReader(b"b")
    tracemalloc.start()
    try:
        reader.receive(form(part()) + b"x" * 100_000)
        said = [type(reader.next_event()) for _ in range(4)]
        assert said == [PartHead, Data, EndOfPart, EndOfMessage]
        for _ in range(100):
            assert tracemalloc.get_traced_memory()[0] < 10_000
            reader.receive(b"x" * 100_000)
            assert reader.next_event() is CLOSED
        assert tracemalloc.get_traced_memory()[0] < 10_000
    finally:
        tracemalloc.stop()
    reader.receive(b"")
    assert reader.next_event() is CLOSED


def test_a_preamble_is_not_kept() -> None:
    reader = MultipartReader(b"boundary")
    tracemalloc.start()
    try:
        for _ in range(100):
            reader.receive(b"\r\n--boundar" * 1_000)
            assert reader.next_event() is NEED_DATA
        # The last piece may be there, since its end may begin a boundary.
        assert tracemalloc.get_traced_memory()[0] < 2 * 11_000
    finally:
        tracemalloc.stop()
    reader.receive(b"y--")
    assert isinstance(reader.next_event(), EndOfMessage)


@pytest.mark.parametrize("size", [1, 16, 1024])
@pytest.mark.parametrize(
    "text", [b"a" * 11, b"\r" * 11, b"\r\n--boundar", b"\n" * 11], ids=["a", "cr", "near", "lf"]
)
@pytest.mark.parametrize("place", ["preamble", "content"])
def test_pieces_cost_the_same_however_many_there_were(place: str, text: bytes, size: int) -> None:
    """CVE-2023-46136 (Werkzeug): a file of one CR and megabytes after it took hours."""
    costs = []
    for count in (200, 2_000):
        reader = MultipartReader(b"boundary")
        if place == "content":
            reader.receive(b"--boundary\r\n" + FIELD + b"\r\n\r")
        raw = text * count

        def work(reader: MultipartReader = reader, raw: bytes = raw) -> None:
            for at in range(0, len(raw), size):
                reader.receive(raw[at : at + size])
                while not isinstance(reader.next_event(), Signal):
                    pass

        costs.append(count_calls(work) / len(raw))
    assert costs[1] < costs[0] * 1.2


# -- boundaries --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=b", b"b"),
        ('Multipart/Form-Data; charset=utf-8; BOUNDARY="a b"', b"a b"),
        ("multipart/form-data;boundary=----WebKitFormBoundary0", b"----WebKitFormBoundary0"),
        ("multipart/form-data; boundary=\xe9", b"\xe9"),
    ],
)
def test_a_content_type_names_the_boundary(content_type: str, boundary: bytes) -> None:
    """RFC 7578 §4.1"""
    assert form_boundary(content_type) == boundary


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("", 415),
        ("text/plain", 415),
        ("multipart/mixed; boundary=b", 415),
        ("multipart/form-data", 400),
        ('multipart/form-data; boundary=""', 400),
        ('multipart/form-data; boundary="b', 400),
        ("multipart/form-data; boundary=b; boundary=c", 400),
        ("multipart/form-data; boundary=\u20ac", 400),
        ('multipart/form-data; !="' + "\\\\" * 100_000, 400),
    ],
    ids=range(9),
)
def test_a_content_type_without_a_boundary_is_refused(content_type: str, status: int) -> None:
    with pytest.raises(RemoteProtocolError) as error:
        form_boundary(content_type)
    assert error.value.status == status
    assert len(str(error.value)) < 300


@pytest.mark.parametrize("boundary", [b"a\rb", b"\r\n", b"\x00", b"\n"])
def test_a_boundary_has_no_control_characters(boundary: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="control characters"):
        MultipartReader(boundary)


# -- no forms ----------------------------------------------------------------------------


MALFORMED = {
    "nothing": b"",
    "no boundary": b"hello",
    "another boundary": form(part(), boundary=b"c"),
    "boundaries amid a line": b"x--b\r\n" + FIELD + b"\r\nx--b--",
    "cut after the first boundary": b"--b",
    "cut after one dash": b"--b-",
    "cut amid the first line": b"--b\r",
    "cut after the first line": b"--b\r\n",
    "cut in the fields": b"--b\r\n" + FIELD,
    "cut in the content": b"--b\r\n" + FIELD + b"\r\nxyz",
    "no closing boundary": part(),
    "closing boundary cut": part() + b"--b-",
    "closing boundary without dashes": part() + b"--b",
    "closing boundary of another": part() + b"--c--",
    "text after a boundary": b"--bx\r\n" + FIELD + b"\r\nx\r\n--b--",
    "text after a later boundary": part() + b"--bx--\r\n",
    "LF alone ends the lines": form(part()).replace(b"\r\n", b"\n"),
    "two dispositions": form(part(FIELD + FIELD)),
    "two content types": form(part(FIELD + b"Content-Type: a/b\r\nContent-Type: a/c\r\n")),
    "padding without end": b"--b" + b" " * (MAX_PADDING + 1) + b"\r\n" + FIELD + b"\r\nx\r\n--b--",
    "empty part": b"--b\r\n--b--",
    "part with one line end": b"--b\r\n\r\n--b--",
    "no fields": form(part(b"")),
    "no empty line after the fields": b"--b\r\n" + FIELD + b"--b--",
    "no disposition": form(part(b"Content-Type: text/plain\r\n")),
    "no name": form(part(b"Content-Disposition: form-data\r\n")),
    "no name but a filename": form(part(disposition('filename="a"'))),
    "only an extended name": form(part(disposition("name*=utf-8''a"))),
    "another disposition": form(part(b'Content-Disposition: attachment; name="a"\r\n')),
    "malformed disposition": form(part(disposition('name="a'))),
    "junk in the disposition": form(part(disposition('name="a"x'))),
    "field without a colon": form(part(FIELD + b"nonsense\r\n")),
    "field without a name": form(part(FIELD + b": x\r\n")),
    "space before the colon": form(part(FIELD + b"X : y\r\n")),
    "folded field": form(part(FIELD + b" folded\r\n")),
    "CR in a field": form(part(b'Content-Disposition: form-data; name="a\rX: y"\r\n')),
    "LF in a field": form(part(b'Content-Disposition: form-data; name="a\nX: y"\r\n')),
    "NUL in a field": form(part(b'Content-Disposition: form-data; name="a\x00"\r\n')),
    "the second part is malformed": form(part(), part(b"")),
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_form_is_refused(body: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as error:
        parse_multipart(b"b", body)
    assert error.value.status == 400
    assert len(str(error.value)) < 300


def test_a_form_that_is_cut_anywhere_is_refused() -> None:
    body = form(part(), part(disposition('name="b"; filename="c"'), b"content"))
    assert stream([body])[1] is None
    whole = body.index(b"--b--") + len(b"--b--")
    for cut in range(whole):
        with pytest.raises(RemoteProtocolError):
            parse_multipart(b"b", body[:cut])
    assert len(parse_multipart(b"b", body[:whole])) == 2


@pytest.mark.parametrize("parameters", ['name="a"; name="b"', 'name="a"; filename=b; filename=c'])
def test_a_parameter_that_comes_twice_is_refused(parameters: str) -> None:
    """One program would believe the first and another the last: a filter is passed so."""
    with pytest.raises(RemoteProtocolError):
        parse_multipart(b"b", form(part(disposition(parameters))))


@pytest.mark.parametrize("boundary", [b"", b"x" * (MAX_BOUNDARY + 1), b"x" * 1_000_000])
def test_a_boundary_of_another_size_is_refused(boundary: bytes) -> None:
    """RFC 2046 §5.1.1"""
    assert MAX_BOUNDARY == 70
    with pytest.raises(RemoteProtocolError, match="boundary of"):
        parse_multipart(boundary, form(part(boundary=boundary), boundary=boundary))


# -- limits ------------------------------------------------------------------------------


def test_a_form_has_at_most_100_parts() -> None:
    assert len(parse_multipart(b"b", form(*[part()] * 100))) == 100
    with pytest.raises(RemoteProtocolError, match="too many parts; 100 are allowed"):
        parse_multipart(b"b", form(*[part()] * 101))


def test_the_limit_on_parts_can_be_set() -> None:
    assert len(parse_multipart(b"b", form(*[part()] * 3), FormLimits(parts=3))) == 3
    with pytest.raises(RemoteProtocolError, match="too many parts; 2 are allowed"):
        parse_multipart(b"b", form(*[part()] * 3), FormLimits(parts=2))
    assert parse_multipart(b"b", form(), FormLimits(parts=0)) == []


@pytest.mark.parametrize("name", [b"Content-Type", b"X"])
def test_the_fields_of_a_part_are_limited_in_bytes(name: bytes) -> None:
    """CVE-2023-24534 (Go): whether they are the usual ones or not."""

    def body(size: int) -> bytes:
        return form(part(FIELD + name + b": " + b"y" * (size - len(FIELD + name) - 4) + b"\r\n"))

    # The limit counts the lines without the line end of the last.
    limits = FormLimits(part_head=1000)
    assert len(parse_multipart(b"b", body(1002), limits)) == 1
    with pytest.raises(RemoteProtocolError, match="part header too large; 1000 bytes"):
        parse_multipart(b"b", body(1003), limits)
    assert len(parse_multipart(b"b", body(10_000))) == 1
    for size in (11_000, 1_000_000):
        with pytest.raises(RemoteProtocolError, match="part header too large; 10240 bytes"):
            parse_multipart(b"b", body(size))


def test_the_fields_of_a_part_are_limited_in_number() -> None:
    """CVE-2026-34516 (aiohttp)"""
    count = DEFAULT_LIMITS.part_fields
    more = [b"X%d: y\r\n" % number for number in range(count)]
    assert len(parse_multipart(b"b", form(part(FIELD + b"".join(more[1:]))))) == 1
    with pytest.raises(RemoteProtocolError, match=f"and {count} fields are allowed"):
        parse_multipart(b"b", form(part(FIELD + b"".join(more))))
    usual = form(part(FIELD + b"Content-Type: a/b\r\n"))
    assert len(parse_multipart(b"b", usual, FormLimits(part_fields=2))) == 1
    with pytest.raises(RemoteProtocolError, match="and 1 fields are allowed"):
        parse_multipart(b"b", usual, FormLimits(part_fields=1))


def test_the_content_of_a_part_can_be_limited() -> None:
    """Apart for fields, which are kept in memory, and for files."""
    limits = FormLimits(field=3, file=5)
    file = disposition('name="f"; filename="x"')
    good = form(part(data=b"123"), part(file, b"12345"), part(data=b"123"))
    assert stream([good], limits)[1] is None
    for bad in (form(part(data=b"1234")), form(part(file, b"123456"))):
        for pieces in cuttings(bad):
            assert stream(pieces, limits) == (
                [],
                ("too much content in a part; 3 bytes are allowed in a field and 5 in a file", 413),
            )


def test_fields_that_never_end_are_refused() -> None:
    for endless in (b"X: " + b"y" * 1_000_000, b"X: y\r\n" * 100_000):
        with pytest.raises(RemoteProtocolError):
            parse_multipart(b"b", form(b"--b\r\n" + endless + b"\r\n"))


@pytest.mark.parametrize(
    "one", [part(), b"--b\r\n", b"--b\r\n\r\n"], ids=["whole", "empty", "line"]
)
def test_too_many_parts_cost_no_memory(one: bytes) -> None:
    """What is past the limit is not even looked at. GHSA-8423-8fgw-73vq (Tornado)"""
    body = form(one * 20_000)
    tracemalloc.start()
    try:
        with pytest.raises(RemoteProtocolError):
            parse_multipart(b"b", body)
        assert tracemalloc.get_traced_memory()[1] < 200_000
    finally:
        tracemalloc.stop()


SIZE = 1_000_000
LARGE = {
    "CR and then no line end": form(part(data=b"\r" + b"a" * SIZE)),
    "line ends": form(part(data=b"\r\n" * (SIZE // 2))),
    "CR alone": form(part(data=b"\r" * SIZE)),
    "nearly boundaries": form(part(data=b"\r\n--boundar" * (SIZE // 11))),
    "dashes": form(part(data=b"\r\n" + b"-" * SIZE)),
    "a long preamble": b"\r\n--boundar" * (SIZE // 11) + b"\r\n" + form(part()),
    "a long epilogue": form(part()) + b"\r\n--boundary" * (SIZE // 12),
    "a hundred parts": form(*[part(data=b"\r\n--" * (SIZE // 400))] * 100),
    "no boundary at all": b"\r\n--boundar" * (SIZE // 11),
    "no closing boundary": part(data=b"\r\n--boundar" * (SIZE // 11)),
}


@pytest.mark.parametrize("text", LARGE.values(), ids=LARGE)
def test_every_byte_is_searched_a_bounded_number_of_times(text: bytes) -> None:
    text = text.replace(b"--b\r\n", b"--boundary\r\n").replace(b"--b--", b"--boundary--")
    body = Counted(text)
    try:
        parse_multipart(b"boundary", body)
    except RemoteProtocolError:
        pass
    assert body.searched <= 2 * len(body)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.lists(st.sampled_from([b"--b", b"--", b"\r\n", b"\r", FIELD, b"x", b"\r\n--b"])))
def test_any_body_is_read_or_refused(pieces: list[bytes]) -> None:
    try:
        found = parse_multipart(b"b", b"".join(pieces))
    except RemoteProtocolError:
        return
    assert all(head.name == "a" for head, _ in found)
    assert stream([bytes([byte]) for byte in b"".join(pieces)])[1] is None


@settings(derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.text("ab \xe9\u20ac"), st.binary().filter(lambda b: b"--b" not in b))))
def test_a_form_is_read_back(fields: list[tuple[str, bytes]]) -> None:
    body = form(*[part(disposition(f'name="n{name}n"'), data) for name, data in fields])
    assert [(found[0][1:-1], found[3]) for found in parts_of(body)] == fields
    assert [(found[0][1:-1], found[3]) for found in stream(cut(body))[0]] == fields
