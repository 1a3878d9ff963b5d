"""`parameters`: what follows a value after semicolons (RFC 9110 §5.6.6, RFC 8187)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.wire.parameters import parse_extended, parse_parameters

VALUES: dict[str, tuple[str, dict[str, str]]] = {
    "": ("", {}),
    "text/html": ("text/html", {}),
    " Text/HTML\t": ("text/html", {}),
    "text/html;charset=utf-8": ("text/html", {"charset": "utf-8"}),
    "text/html; charset=UTF-8": ("text/html", {"charset": "UTF-8"}),
    "text/html;\tCHARSET=utf-8 ": ("text/html", {"charset": "utf-8"}),
    'text/html; charset="utf-8"': ("text/html", {"charset": "utf-8"}),
    "text/html ; charset=utf-8 ; q=1": ("text/html", {"charset": "utf-8", "q": "1"}),
    "a; b=": ("a", {"b": ""}),
    'a; b=""': ("a", {"b": ""}),
    'a; b="c;d"; e=f': ("a", {"b": "c;d", "e": "f"}),
    r'a; b="c\"d\\e"; f=g': ("a", {"b": 'c"d\\e', "f": "g"}),
    r'a; b="\c"': ("a", {"b": "c"}),
    'a; b="c=d"': ("a", {"b": "c=d"}),
    "a; b=c=d": ("a", {"b": "c=d"}),
    "a; b=c d; e=f": ("a", {"b": "c d", "e": "f"}),
    "a; b=c/d": ("a", {"b": "c/d"}),
    'a; b="caf\xe9"': ("a", {"b": "caf\xe9"}),
    "a; b = c": ("a", {"b": "c"}),
    "a; b*=utf-8''%e2%82%ac; b=c": ("a", {"b*": "utf-8''%e2%82%ac", "b": "c"}),
    "; b=c": ("", {"b": "c"}),
}


@pytest.mark.parametrize(("value", "expected"), VALUES.items())
def test_the_value_and_its_parameters_are_told_apart(
    value: str, expected: tuple[str, dict[str, str]]
) -> None:
    assert parse_parameters(value) == expected


@pytest.mark.parametrize("value", ["a;", "a; ", "a;;", "a; ; ;\t", "a;b=c;", "a;b=c; ;"])
def test_nothing_may_follow_the_last_semicolon(value: str) -> None:
    assert parse_parameters(value)[0] == "a"


@pytest.mark.parametrize("value", ["a;;b=c", "a; ;b=c", "a;b=c;;d=e", "a;\t;\t;b=c"])
def test_a_parameter_may_be_left_out(value: str) -> None:
    """``parameters = *( OWS ";" OWS [ parameter ] )``. §5.6.6"""
    assert parse_parameters(value)[1]["b"] == "c"


@pytest.mark.parametrize("value", [" c", "c ", " \tc\t ", " "])
def test_whitespace_inside_quotes_belongs_to_the_value(value: str) -> None:
    """§5.6.4"""
    assert parse_parameters(f'a; b="{value}" ; d=e') == ("a", {"b": value, "d": "e"})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (r'a; b="C:\new\x"', r"C:\new\x"),
        (r'a; b="c\"d\\e"', 'c"d\\e'),
        (r'a; b="\\\\"', "\\\\"),
        (r'a; b="\\\n"', r"\\n"),
        (r"a; b=c\d", r"c\d"),
    ],
)
def test_in_forms_a_backslash_mostly_is_one(value: str, expected: str) -> None:
    """Browsers send file names so."""
    assert parse_parameters(value, form=True) == ("a", {"b": expected})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("utf-8''a", "a"),
        ("UTF-8'en'%e2%82%ac%20rates", "€ rates"),
        ("utf-8'de-CH'%C3%A4!#$&+-.^_`|~", "ä!#$&+-.^_`|~"),
        ("utf-8''", ""),
        ("utf-8''%00", "\x00"),
    ],
)
def test_an_extended_value_is_percent_encoded_utf_8(value: str, text: str) -> None:
    """RFC 8187 §3.2"""
    assert parse_extended(value) == text


@pytest.mark.parametrize(
    "value",
    [
        "",
        "a",
        "utf-8'a",
        "utf-8'''a",
        "iso-8859-1''%A3",
        "''a",
        "utf-8''%",
        "utf-8''%4",
        "utf-8''%zz",
        "utf-8''%\u0664\u0661",
        "utf-8''a b",
        "utf-8''a;b",
        "utf-8''a/b",
        "utf-8''\xe9",
        "utf-8''%e9",
        "utf-8''%ed%a0%80",
        "utf-8''%c0%af",
        "utf-8''" + "%41" * 300_000 + "%",
    ],
    ids=range(18),
)
def test_another_extended_value_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="'") as error:
        parse_extended(value)
    assert len(str(error.value)) < 300


def test_a_name_that_comes_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="'b' comes twice"):
        parse_parameters("a; b=c; B=d")


@pytest.mark.parametrize(
    "value",
    [
        "a; b",
        "a; =c",
        'a; b="c',
        'a; b="c\\"',
        'a; b="c"d',
        'a; b=c"d"',
        "a; b@=c",
        "a; b=c; d",
        'a; b="c" d; e=f',
        'a; b="c\nd"',
        'a; b="c\x00"',
        "a; \xe9=c",
        "a; \u0661=c",
        'a; b="\u20ac"',
        "a; b c=d",
    ],
)
def test_what_is_no_list_of_parameters_is_an_error(value: str) -> None:
    with pytest.raises(ValueError, match="is allowed"):
        parse_parameters(value)


@pytest.mark.parametrize(
    "value",
    [
        'form-data; name="' + ";" * 1_000_000,
        'form-data; name="' + '\\"' * 500_000,
        'form-data; !="' + "\\\\" * 500_000,
        "form-data" + "; " * 500_000 + "x",
        "form-data; a=" + " " * 1_000_000 + '"',
        "form-data; a" + " " * 1_000_000 + "b",
        "form-data; " + "a" * 1_000_000,
        "form-data; a=b" + "\t" * 1_000_000 + '"',
        'form-data; a="' + '";"' * 300_000,
    ],
    ids=range(9),
)
def test_a_hostile_value_is_refused_in_linear_time(value: str) -> None:
    """With these sizes anything else would take hours. The message stays short.

    CVE-2025-67726 (Tornado), CVE-2024-24762 (python-multipart)
    """
    with pytest.raises(ValueError) as error:
        parse_parameters(value)
    assert len(str(error.value)) < 300


def test_many_parameters_are_read_in_linear_time() -> None:
    count = 100_000
    _, found = parse_parameters("a" + "".join(f'; n{n}="{n}"' for n in range(count)))
    assert len(found) == count
    assert found["n99999"] == "99999"
    assert parse_parameters("a; b=c" + ";" * count + "d=e" + ";" * count)[1] == {"b": "c", "d": "e"}
    assert len(parse_parameters("a; b=" + "c" * 10_000_000)[1]["b"]) == 10_000_000


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.text(alphabet='a=;" \\\t\xe9', max_size=40))
def test_any_text_is_read_or_refused(value: str) -> None:
    try:
        main, found = parse_parameters(value)
    except ValueError:
        return
    assert main == value.partition(";")[0].strip(" \t").lower()
    assert all(name == name.lower() != "" for name in found)


@settings(derandomize=True, deadline=None)
@given(st.text(alphabet=[*map(chr, range(0x20, 0x7F)), "\t", "\xe9"], max_size=20))
def test_a_quoted_value_is_read_back(value: str) -> None:
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    assert parse_parameters(f'a; b="{quoted}"; c=d') == ("a", {"b": value, "c": "d"})
