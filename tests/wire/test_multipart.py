"""`parse_multipart`: a whole form, and what no form may be (RFC 7578, RFC 2046 §5.1)."""

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.wire.errors import RemoteProtocolError
from toolkit.wire.multipart import MAX_BOUNDARY, MAX_PART_FIELDS, Part, parse_multipart

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


# -- forms -------------------------------------------------------------------------------


def test_fields_and_files_are_read_in_order() -> None:
    body = form(
        part(disposition('name="field"'), b"value"),
        part(
            disposition('name="file"; filename="f.txt"') + b"Content-Type: text/plain\r\n", b"1\n"
        ),
        part(disposition('name="field"'), b"again"),
    )
    assert parse_multipart(b"b", body) == [
        Part("field", None, "application/unknown", b"value"),
        Part("file", "f.txt", "text/plain", b"1\n"),
        Part("field", None, "application/unknown", b"again"),
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
    found = parse_multipart(b"b", form(part(data=data), part(data=b"next")))
    assert [one.data for one in found] == [data, b"next"]


@pytest.mark.parametrize(
    "before", [b"", b"\r\n", b"preamble\r\n", b"--c\r\n", b"x" * 1000 + b"\r\n"]
)
@pytest.mark.parametrize("after", [b"", b"\r\n", b"epilogue", b"\r\n--b\r\nnothing", b"--b"])
def test_what_is_before_and_after_the_parts_is_ignored(before: bytes, after: bytes) -> None:
    """RFC 2046 §5.1.1"""
    body = before + part() + b"--b--" + after
    assert [one.data for one in parse_multipart(b"b", body)] == [b"x"]


@pytest.mark.parametrize("before", [b"x", b"x\n", b"x\r", b"x\n\r"])
def test_a_boundary_counts_at_the_start_of_a_line_only(before: bytes) -> None:
    """And only CRLF ends a line: here the first boundary belongs to the preamble."""
    assert parse_multipart(b"b", before + form(part(), part(data=b"y"))) == [
        Part("a", None, "application/unknown", b"y")
    ]


def test_whitespace_may_follow_a_boundary() -> None:
    """Transport padding. RFC 2046 §5.1.1"""
    body = b"--b \t \r\n" + FIELD + b"\r\nx\r\n--b--"
    assert [one.data for one in parse_multipart(b"b", body)] == [b"x"]


@pytest.mark.parametrize("boundary", [b"b", b"x" * MAX_BOUNDARY, b"'()+_,-./:=?", b"a b", b"\xe9"])
def test_a_boundary_is_taken_as_it_is(boundary: bytes) -> None:
    body = form(part(boundary=boundary), boundary=boundary)
    assert [one.data for one in parse_multipart(boundary, body)] == [b"x"]


def test_names_of_fields_ignore_case_and_others_are_ignored() -> None:
    head = b'CONTENT-disposition: FORM-DATA; NAME="a"\r\ncontent-TYPE: Text/Plain\r\nX: y\r\n'
    head += b"Content-Length: +5\r\nContent-Transfer-Encoding: base64\r\n"
    [found] = parse_multipart(b"b", form(part(head)))
    assert found == Part("a", None, "Text/Plain", b"x")


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
    [found] = parse_multipart(b"b", form(part(head)))
    assert found.name == found.filename == name


@pytest.mark.parametrize(
    "filename",
    ["../../etc/passwd", "/etc/passwd", "CON", ".", "..", "", "x" * 300, "a/b;c", "a\tb"],
)
def test_a_filename_is_given_as_the_client_named_it(filename: str) -> None:
    """Nothing is left out, so that who uses it can see what it was."""
    [found] = parse_multipart(b"b", form(part(disposition(f'name="a"; filename="{filename}"'))))
    assert found.filename == filename


@pytest.mark.parametrize("first", [True, False])
def test_extended_parameters_change_nothing(first: bool) -> None:
    """A sender must not use them here, and two views of a name are how filters are passed.

    RFC 7578 §4.2
    """
    plain = 'name="a"; filename="a.txt"'
    extended = "name*=utf-8''evil; filename*=utf-8''..%2fevil.php"
    order = (plain, extended) if first else (extended, plain)
    [found] = parse_multipart(b"b", form(part(disposition("; ".join(order)))))
    assert (found.name, found.filename) == ("a", "a.txt")


def test_an_extended_filename_alone_makes_no_file() -> None:
    [found] = parse_multipart(b"b", form(part(disposition("name=a; filename*=utf-8''x.txt"))))
    assert found.filename is None


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
    whole = body.index(b"--b--") + len(b"--b--")
    for cut in range(whole):
        with pytest.raises(RemoteProtocolError):
            parse_multipart(b"b", body[:cut])
    assert len(parse_multipart(b"b", body[:whole])) == 2


@pytest.mark.parametrize("parameters", ['name="a"; name="b"', 'name="a"; filename=b; filename=c'])
def test_a_parameter_that_comes_twice_is_refused(parameters: str) -> None:
    """One program would believe the first and another the last."""
    with pytest.raises(RemoteProtocolError):
        parse_multipart(b"b", form(part(disposition(parameters))))


@pytest.mark.parametrize("boundary", [b"", b"x" * (MAX_BOUNDARY + 1), b"x" * 1_000_000])
def test_a_boundary_of_another_size_is_refused(boundary: bytes) -> None:
    """RFC 2046 §5.1.1"""
    with pytest.raises(RemoteProtocolError, match="boundary of"):
        parse_multipart(boundary, form(part(boundary=boundary), boundary=boundary))


# -- limits ------------------------------------------------------------------------------


def test_a_form_has_at_most_100_parts() -> None:
    assert len(parse_multipart(b"b", form(*[part()] * 100))) == 100
    with pytest.raises(RemoteProtocolError, match="more than 100 parts"):
        parse_multipart(b"b", form(*[part()] * 101))


def test_the_limit_on_parts_can_be_set() -> None:
    assert len(parse_multipart(b"b", form(*[part()] * 3), max_parts=3)) == 3
    with pytest.raises(RemoteProtocolError, match="more than 2 parts"):
        parse_multipart(b"b", form(*[part()] * 3), max_parts=2)


def test_the_fields_of_a_part_are_limited_in_bytes() -> None:
    def body(size: int) -> bytes:
        return form(part(FIELD + b"X: " + b"y" * (size - len(FIELD) - 5) + b"\r\n"))

    # The limit counts the lines without the line end of the last.
    assert len(parse_multipart(b"b", body(1002), max_part_header=1000)) == 1
    with pytest.raises(RemoteProtocolError, match="in 1000 bytes"):
        parse_multipart(b"b", body(1003), max_part_header=1000)
    assert len(parse_multipart(b"b", body(10_000))) == 1
    for size in (11_000, 1_000_000):
        with pytest.raises(RemoteProtocolError, match="in 10240 bytes"):
            parse_multipart(b"b", body(size))


def test_the_fields_of_a_part_are_limited_in_number() -> None:
    more = [b"X%d: y\r\n" % number for number in range(MAX_PART_FIELDS)]
    assert len(parse_multipart(b"b", form(part(FIELD + b"".join(more[1:]))))) == 1
    with pytest.raises(RemoteProtocolError, match="fields"):
        parse_multipart(b"b", form(part(FIELD + b"".join(more))))


def test_fields_that_never_end_are_refused() -> None:
    for endless in (b"X: " + b"y" * 1_000_000, b"X: y\r\n" * 100_000):
        with pytest.raises(RemoteProtocolError):
            parse_multipart(b"b", form(b"--b\r\n" + endless + b"\r\n"))


@pytest.mark.parametrize(
    "one", [part(), b"--b\r\n", b"--b\r\n\r\n"], ids=["whole", "empty", "line"]
)
def test_too_many_parts_cost_no_memory(one: bytes) -> None:
    """What is past the limit is not even looked at."""
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
    assert all(one.name == "a" for one in found)


@settings(derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.text("ab \xe9\u20ac"), st.binary().filter(lambda b: b"--b" not in b))))
def test_a_form_is_read_back(fields: list[tuple[str, bytes]]) -> None:
    body = form(*[part(disposition(f'name="n{name}n"'), data) for name, data in fields])
    found = parse_multipart(b"b", body)
    assert [(one.name[1:-1], one.data) for one in found] == fields
