"""`httputil`: the bodies of forms, and what they may cost."""

import tracemalloc

import pytest

from toolkit.httputil import (
    HTTPFile,
    HTTPHeaders,
    HTTPInputError,
    ParseBodyConfig,
    ParseMultipartConfig,
    ParseUrlEncodedConfig,
    parse_body_arguments,
    parse_multipart_form_data,
    set_parse_body_config,
)

MAX_ARGUMENTS = ParseUrlEncodedConfig().max_arguments

FORM = (
    b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    b'--b\r\nContent-Disposition: form-data; name="f"; filename="x"\r\nContent-Type: a/b\r\n\r\n'
    b"2\r\n--b--\r\n"
)

Form = tuple[dict[str, list[bytes]], dict[str, list[HTTPFile]]]


def parsed(content_type: str, body: bytes, headers: HTTPHeaders | None = None) -> Form:
    """Parse a body into new dicts."""
    arguments: dict[str, list[bytes]] = {}
    files: dict[str, list[HTTPFile]] = {}
    parse_body_arguments(content_type, body, arguments, files, headers)
    return arguments, files


@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-www-form-urlencoded",
        "Application/X-WWW-Form-URLEncoded",
        "application/x-www-form-urlencoded; charset=utf-8",
        "application/x-www-form-urlencoded ;charset",
    ],
)
def test_a_urlencoded_form_is_parsed(content_type: str) -> None:
    body = b"a=1&b=&a=2&c&d=%C3%A9+;x"
    assert parsed(content_type, body) == (
        {"a": [b"1", b"2"], "b": [b""], "c": [b""], "d": [b"\xc3\xa9 ;x"]},
        {},
    )


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data; boundary=b",
        'Multipart/Form-Data; charset=utf-8; BOUNDARY="b"',
        "multipart/form-data;boundary=b;x=y",
    ],
)
def test_a_multipart_form_is_parsed(content_type: str) -> None:
    arguments, files = parsed(content_type, FORM)
    assert arguments == {"a": [b"1"]}
    [file] = files["f"]
    assert (file.filename, file.body, file.content_type) == ("x", b"2", "a/b")
    assert file["filename"] == "x"


def test_fields_are_added_to_what_is_there() -> None:
    arguments = {"a": [b"0"]}
    files: dict[str, list[HTTPFile]] = {"f": []}
    parse_body_arguments("application/x-www-form-urlencoded", b"a=1", arguments, files)
    parse_multipart_form_data(b"b", FORM, arguments, files)
    assert arguments == {"a": [b"0", b"1", b"1"]}
    assert len(files["f"]) == 1


@pytest.mark.parametrize(
    ("content_type", "headers"),
    [
        ("", None),
        ("application/json", None),
        ("text/plain", None),
        ("multipart/mixed; boundary=b", None),
        ("application/x-www-form-urlencodedx", None),
        ("application/json", HTTPHeaders({"Content-Encoding": "gzip"})),
    ],
)
def test_another_body_adds_nothing(content_type: str, headers: HTTPHeaders | None) -> None:
    assert parsed(content_type, FORM, headers) == ({}, {})


URLENCODED = "application/x-www-form-urlencoded"


@pytest.mark.parametrize("content_type", ["multipart/form-data; boundary=b", URLENCODED])
def test_a_form_with_a_content_coding_is_refused(content_type: str) -> None:
    """Rather than taken for an empty one."""
    with pytest.raises(HTTPInputError, match="Unsupported Content-Encoding: gzip"):
        parsed(content_type, FORM, HTTPHeaders({"Content-Encoding": "gzip"}))


def test_a_file_input_without_a_file_is_a_field() -> None:
    """Browsers send an empty file name for it."""
    body = FORM.replace(b'filename="x"', b'filename=""')
    assert parsed("multipart/form-data; boundary=b", body) == ({"a": [b"1"], "f": [b"2"]}, {})


def test_a_file_without_a_content_type_is_of_an_unknown_one() -> None:
    body = FORM.replace(b"Content-Type: a/b\r\n", b"")
    _, files = parsed("multipart/form-data; boundary=b", body)
    assert files["f"][0].content_type == "application/unknown"


def test_a_boundary_may_have_its_quotes() -> None:
    arguments: dict[str, list[bytes]] = {}
    parse_multipart_form_data(b'"b"', FORM, arguments, {})
    assert arguments == {"a": [b"1"]}


@pytest.mark.parametrize("tail", ['!="' + "\\\\" * 100_000, "charset=\u20ac", '"', ";" * 100_000])
def test_parameters_of_a_urlencoded_type_are_not_looked_at(tail: str) -> None:
    """CVE-2024-24762 (python-multipart): a pattern for them could run for ever."""
    assert parsed(f"{URLENCODED}; {tail}", b"a=1") == ({"a": [b"1"]}, {})


def test_only_ampersands_separate_fields() -> None:
    """CVE-2021-23336 (Python), GHSA-6jv3-5f52-599m (python-multipart)."""
    assert parsed(URLENCODED, b"a=1;b=2&c=" + b";" * 100_000) == (
        {"a": [b"1;b=2"], "c": [b";" * 100_000]},
        {},
    )


HOSTILE = {
    "too many fields": (URLENCODED, b"a&" * 400_000),
    "one field too many": (URLENCODED, b"&".join([b"a=1"] * (MAX_ARGUMENTS + 1))),
    "no boundary": ("multipart/form-data", FORM),
    "empty boundary": ('multipart/form-data; boundary=""', FORM),
    "long boundary": ("multipart/form-data; boundary=" + "b" * 71, FORM),
    "boundary not of bytes": ("multipart/form-data; boundary=\u20ac", FORM),
    "another boundary": ("multipart/form-data; boundary=c", FORM),
    "malformed parameters": ('multipart/form-data; boundary="b', FORM),
    "hostile parameters": ('multipart/form-data; !="' + "\\\\" * 500_000, FORM),
    "empty": ("multipart/form-data; boundary=b", b""),
    "no closing boundary": ("multipart/form-data; boundary=b", FORM[:-4]),
    "too many parts": ("multipart/form-data; boundary=b", FORM[:-7] * 10_000 + b"--b--"),
    "empty parts": ("multipart/form-data; boundary=b", b"--b\r\n" * 20_000 + b"--b--"),
    "10 000 bad parts": (
        "multipart/form-data; boundary=b",
        b"--b\r\nnonsense\r\n\r\nx\r\n" * 10_000 + b"--b--",
    ),
    "endless fields of a part": (
        "multipart/form-data; boundary=b",
        b"--b\r\n" + b"X: y\r\n" * 100_000 + FORM,
    ),
    "line end in a name": (
        "multipart/form-data; boundary=b",
        FORM.replace(b'name="a"', b'name="a\rX: y"'),
    ),
    "bad second part": ("multipart/form-data; boundary=b", FORM.replace(b'name="f"', b"name")),
}


@pytest.mark.parametrize(("content_type", "body"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_form_is_refused_whole(
    content_type: str, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing of it is used, the message is short, and nothing is logged for each part.

    CVE-2025-47287, GHSA-8423-8fgw-73vq, GHSA-mpf4-983q-p7j4 (Tornado), CVE-2024-30251 (aiohttp),
    CVE-2023-30798, CVE-2026-54283 (Starlette), CVE-2026-42561 (python-multipart)
    """
    arguments: dict[str, list[bytes]] = {}
    files: dict[str, list[HTTPFile]] = {}
    with caplog.at_level("DEBUG"), pytest.raises(HTTPInputError) as error:
        parse_body_arguments(content_type, body, arguments, files)
    assert len(str(error.value)) < 400
    assert arguments == files == {}
    assert caplog.records == []


def test_as_many_fields_as_allowed_are_parsed() -> None:
    arguments, _ = parsed(URLENCODED, b"&".join(b"n%d=1" % n for n in range(MAX_ARGUMENTS)))
    assert len(arguments) == MAX_ARGUMENTS


def test_the_names_of_a_form_are_its_own() -> None:
    """What the client calls a field never becomes an attribute of anything."""
    arguments, _ = parsed(URLENCODED, b"__class__=1&__proto__=2")
    assert arguments == {"__class__": [b"1"], "__proto__": [b"2"]}


# -- limits ------------------------------------------------------------------------------


MULTIPART = "multipart/form-data; boundary=b"
TIGHT = {
    "fields": (URLENCODED, b"a&b&c", ParseBodyConfig(urlencoded=ParseUrlEncodedConfig(2))),
    "parts": (MULTIPART, FORM, ParseBodyConfig(multipart=ParseMultipartConfig(max_parts=1))),
    "no parts": (MULTIPART, FORM, ParseBodyConfig(multipart=ParseMultipartConfig(max_parts=0))),
    "fields of a part": (
        MULTIPART,
        FORM,
        ParseBodyConfig(multipart=ParseMultipartConfig(max_part_header_size=50)),
    ),
    "disabled": (MULTIPART, FORM, ParseBodyConfig(multipart=ParseMultipartConfig(enabled=False))),
}
MESSAGES = {
    "fields": "Max number of fields exceeded: 3 fields in a query; 2 are allowed",
    "parts": "too many parts; 1 are allowed",
    "no parts": "too many parts; 0 are allowed",
    "fields of a part": "part header too large; 50 bytes",
    "disabled": "multipart/form-data parsing is disabled",
}


@pytest.mark.parametrize("kind", TIGHT)
@pytest.mark.parametrize("for_all", [False, True])
def test_limits_can_be_set_for_one_call_and_for_all(kind: str, for_all: bool) -> None:
    content_type, body, config = TIGHT[kind]
    parsed(content_type, body)
    if for_all:
        set_parse_body_config(config)
    try:
        with pytest.raises(HTTPInputError, match=MESSAGES[kind]):
            parse_body_arguments(content_type, body, {}, {}, config=None if for_all else config)
    finally:
        set_parse_body_config(ParseBodyConfig())
    parsed(content_type, body)


def test_the_limits_for_all_are_those_of_a_multipart_form_too() -> None:
    set_parse_body_config(ParseBodyConfig(multipart=ParseMultipartConfig(max_parts=1)))
    try:
        with pytest.raises(HTTPInputError, match="too many parts"):
            parse_multipart_form_data(b"b", FORM, {}, {})
    finally:
        set_parse_body_config(ParseBodyConfig())
    parse_multipart_form_data(b"b", FORM, {}, {})


def test_each_config_has_its_own_parts() -> None:
    ParseBodyConfig().multipart.max_parts = 1
    assert ParseBodyConfig().multipart == ParseMultipartConfig(True, 100, 10 * 1024)
    assert ParseBodyConfig().urlencoded == ParseUrlEncodedConfig(1000)


def test_a_file_is_copied_once() -> None:
    """Of a body of 10 MB no more than 10 MB are held beside it, whatever it looks like."""
    near = b"\r\n--" * 2_500_000
    for body in (FORM.replace(b"2", near), FORM.replace(b"2", near)[:-6]):
        tracemalloc.start()
        try:
            parsed(MULTIPART, body)
        except HTTPInputError:
            pass
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert peak < 1.1 * len(body)
