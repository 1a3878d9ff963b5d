"""`form_parts`: forms written, so that they are read as they were meant (RFC 7578)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.wire.errors import LocalProtocolError
from toolkit.wire.form_parts import form_end, part_start
from toolkit.wire.multipart import parse_multipart


@pytest.mark.feature("F07")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a", b"a"),
        ("", b""),
        ("a b;c=d", b"a b;c=d"),
        ("caf\xe9 \u20ac", "caf\xe9 \u20ac".encode()),
        ('a"\r\nX: y', b"a%22%0D%0AX: y"),
        ("a\nb", b"a%0Ab"),
        ("a\\b", b"a\\b"),
        ("a%22\tb", b"a%22\tb"),
        ("raw\udcff", b"raw\xff"),
    ],
    ids=ascii,
)
def test_names_are_escaped_as_browsers_do(name: str, expected: bytes) -> None:
    """CVE-2026-50269 (aiohttp): no name ends its quotes or its line. WHATWG HTML"""
    start = part_start(b"b", name, name)
    disposition = b'Content-Disposition: form-data; name="%b"; filename="%b"' % (expected, expected)
    assert start == b"--b\r\n%b\r\n\r\n" % disposition


@pytest.mark.parametrize(
    ("name", "filename", "content_type", "fields"),
    [
        ("a\x00", None, "", []),
        ("a", "b\x7f", "", []),
        ("a", None, "text/plain\r\nX: y", []),
        ("a", None, "text/\u20ac", []),
        ("a", None, "", [("X: y", "z")]),
        ("a", None, "", [("X", "y\n")]),
    ],
)
def test_what_would_be_another_field_is_refused(
    name: str, filename: str | None, content_type: str, fields: list[tuple[str, str]]
) -> None:
    """CVE-2026-34514 (aiohttp): CR and LF in the content type of a part."""
    with pytest.raises(LocalProtocolError):
        part_start(b"b", name, filename, content_type, fields)


TEXT = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters='"\\'), max_size=30
)


@pytest.mark.feature("F07")
@given(st.lists(st.tuples(TEXT, st.none() | TEXT, st.binary(max_size=50)), max_size=4))
def test_a_form_is_read_as_it_was_written(parts: list[tuple[str, str | None, bytes]]) -> None:
    """Names, file names and contents."""
    body = b"".join(
        part_start(b"bound-ary", name, filename, "text/x", [("X-A", "1")]) + data + b"\r\n"
        for name, filename, data in parts
    ) + form_end(b"bound-ary")
    read = parse_multipart(b"bound-ary", body)
    assert [(head.name, head.filename, data) for head, data in read] == parts
    for head, _ in read:
        assert head.content_type == "text/x"
        assert ("x-a", "1") in head.fields
