"""The buffer of the machines: lines and pieces come out as they went in."""

import pytest

from toolkit.wire.buffer import Buffer
from toolkit.wire.errors import RemoteProtocolError


def filled(*chunks: bytes) -> Buffer:
    """Return a buffer that holds some chunks."""
    buffer = Buffer()
    for chunk in chunks:
        buffer.append(chunk)
    return buffer


@pytest.mark.parametrize("chunks", [[b"hello"], [b"he", b"llo"], [b"h", b"e", b"l", b"l", b"o"]])
def test_pieces_come_out_in_order(chunks: list[bytes]) -> None:
    """As many bytes as asked for, or as there are, always as `bytes`."""
    buffer = filled(*chunks)
    assert len(buffer) == 5
    assert buffer.take(2) == b"he"
    buffer.append(b"!")
    pieces = [buffer.take(3), buffer.take(9), buffer.take(1)]
    assert pieces == [b"llo", b"!", b""]
    assert {type(piece) for piece in pieces} == {bytes}
    assert not buffer


def test_a_chunk_is_taken_without_a_copy() -> None:
    """One that is taken whole is the object that went in."""
    chunk = b"hello"
    assert filled(chunk).take(5) is chunk
    assert filled(chunk).take(99) is chunk


def test_a_line_comes_out_without_its_end() -> None:
    """However many pieces it came in; CR and LF may come apart."""
    buffer = filled(b"a", b"b\r")
    assert buffer.line(9, 400) is None
    buffer.append(b"\n\r\nc\xe9\r\n")
    assert [buffer.line(9, 400) for _ in range(4)] == ["ab", "", "c\xe9", None]


@pytest.mark.parametrize("chunks", [[b"abcd\r\n"], [b"abc", b"d\r\n"], [b"abcd"], [b"abc", b"d"]])
def test_a_line_over_the_limit_is_refused_as_soon_as_it_is(chunks: list[bytes]) -> None:
    """One as long as the limit is not."""
    with pytest.raises(RemoteProtocolError) as error:
        filled(*chunks).line(3, 431)
    assert error.value.status == 431
    assert filled(b"abc\r\n").line(3, 431) == "abc"
    assert filled(b"abc\r").line(3, 431) is None


@pytest.mark.parametrize("line", [b"a\0", b"a\n", b"a\rb", b"\r\r\n", b"\x7f\r\n", b"a\r\0"])
def test_a_control_character_is_refused_as_soon_as_it_comes(line: bytes) -> None:
    """A line need not be whole for it."""
    with pytest.raises(RemoteProtocolError) as error:
        filled(line).line(9, 431)
    assert error.value.status == 400
