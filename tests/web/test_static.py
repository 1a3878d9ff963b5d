"""`StaticFileHandler`: files of a directory, and nothing else."""

import os
from datetime import UTC, datetime, timedelta
from email.parser import BytesParser
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest

from tests.http.client import Answer, Serve, Site, get
from tests.loops import expect_log
from toolkit.web import RequestHandler, StaticFileHandler

CONTENT = b"0123456789"
#: What lies outside of the root and may never be seen.
SECRET = b"SECRET"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a directory of files to serve, between others that are none of it."""
    root = tmp_path / "static"
    (root / "sub" / "deep").mkdir(parents=True)
    (root / "a.txt").write_bytes(CONTENT)
    (root / "empty.bin").write_bytes(b"")
    (root / "page.html").write_bytes(b"<p>page</p>")
    (root / "a b é.txt").write_bytes(b"spaced")
    (root / "100%.txt").write_bytes(b"percent")
    (root / "sub" / "index.html").write_bytes(b"index of sub")
    (root / "sub" / "b.txt").write_bytes(b"b")
    for outside in (tmp_path / "secret.txt", tmp_path / "static_private" / "secret.txt"):
        outside.parent.mkdir(exist_ok=True)
        outside.write_bytes(SECRET)
    return root


@pytest.fixture
def site(serve: Serve, root: Path) -> Site:
    """Serve the directory, once as it is and once with index files."""
    indexed = {"path": str(root), "default_filename": "index.html"}
    return serve(
        [
            (r"/f/(.*)", StaticFileHandler, {"path": str(root)}),
            (r"/i/(.*)", StaticFileHandler, indexed),
            (r"/(.*)", StaticFileHandler, indexed),
        ]
    )


def claim(caplog: pytest.LogCaptureFixture) -> None:
    """Claim what the refusals log, which has no raw control character in it."""
    for record in caplog.records:
        if record.name == "toolkit.general":
            assert record.getMessage().isprintable()
            record.claimed = True


# -- whole files -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.txt", "text/plain"),
        ("page.html", "text/html"),
        ("a.css", "text/css"),
        ("a.js", "text/javascript"),
        ("a.json", "application/json"),
        ("a.png", "image/png"),
        ("a.svg", "image/svg+xml"),
        ("a.tar.gz", "application/gzip"),
        ("a.txt.gz", "application/gzip"),
        ("a.txt.bz2", "application/octet-stream"),
        ("a.unknown", "application/octet-stream"),
        ("without", "application/octet-stream"),
    ],
)
async def test_a_file_has_its_type_and_length(site: Site, root: Path, name: str, kind: str) -> None:
    (root / name).write_bytes(CONTENT)
    answer = await site.get(f"/f/{name}")
    assert (answer.status, answer.body) == (200, CONTENT)
    assert (answer.get("content-type") or "").partition(";")[0] == kind
    assert answer.get("content-encoding") is None
    assert answer.get("content-length") == str(len(CONTENT))
    assert answer.get("accept-ranges") == "bytes"
    assert (answer.get("last-modified") or "").endswith(" GMT")
    assert answer.get("etag")


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/f/sub/b.txt", b"b"),
        ("/f/a%20b%20%C3%A9.txt", b"spaced"),
        ("/f/100%25.txt", b"percent"),
        ("/f/%61.txt", CONTENT),
        ("/f/./a.txt", CONTENT),
        ("/f/sub/../a.txt", CONTENT),
        ("/f/sub//b.txt", b"b"),
        ("/f/empty.bin", b""),
        ("/f/a.txt?v=1", CONTENT),
    ],
)
async def test_files_are_found_by_their_path(site: Site, target: str, body: bytes) -> None:
    client = await site.client()
    for _ in range(2):
        answer = await client.get(target)
        assert (answer.status, answer.body) == (200, body)


async def test_head_gives_the_head_of_get(site: Site) -> None:
    client = await site.client()
    head = await client.ask(b"HEAD /f/a.txt HTTP/1.1\r\nHost: h\r\n\r\n")
    whole = await client.get("/f/a.txt")
    drop = ("date",)
    assert head.status == 200
    assert [f for f in head.fields if f[0] not in drop] == [
        f for f in whole.fields if f[0] not in drop
    ]
    assert (head.body, whole.body) == (b"", CONTENT)


async def test_a_big_file_is_streamed(site: Site, root: Path) -> None:
    """While its client does not read, little of it is held in memory."""
    size = 64 * 1024 * 1024
    (root / "big").touch()
    os.truncate(root / "big", size)
    client, other = await site.client(receive_buffer=65_536), await site.client()
    await client.send(get("/f/big"))
    for _ in range(50):
        assert (await other.get("/f/a.txt")).body == CONTENT
        streams = [each.stream for each in site.server._connections]
        held = sum(each.transport.get_write_buffer_size() for each in streams if each.transport)
        assert held < 1024 * 1024
    answer = await client.answer()
    assert answer.get("content-length") == str(size)
    assert len(answer.body) == size
    assert not answer.body.strip(b"\0")


async def test_other_methods_are_not_allowed(site: Site) -> None:
    answer = await site.ask(b"POST /f/a.txt HTTP/1.1\r\nHost: h\r\n\r\n")
    assert answer.status == 405
    allowed = (answer.get("allow") or "").split(", ")
    assert {"GET", "HEAD"} <= set(allowed) <= {"GET", "HEAD", "OPTIONS"}


async def test_a_version_in_the_url_lets_clients_keep_the_file(site: Site) -> None:
    assert (await site.get("/f/a.txt")).get("cache-control") is None
    assert (await site.get("/f/a.txt?v=abc")).get("cache-control") == "max-age=315360000"


async def test_the_setting_static_path_serves_a_directory(serve: Serve, root: Path) -> None:
    (root / "favicon.ico").write_bytes(b"icon")
    (root / "robots.txt").write_bytes(b"robots")
    site = serve([], {"static_path": str(root)})
    for target, body in {
        "/static/sub/b.txt": b"b",
        "/favicon.ico": b"icon",
        "/robots.txt": b"robots",
    }.items():
        assert (await site.get(target)).body == body
    site = serve([], {"static_path": str(root), "static_url_prefix": "/x/"})
    assert (await site.get("/x/a.txt")).body == CONTENT
    assert (await site.get("/static/a.txt")).status == 404


async def test_a_subclass_can_add_headers(serve: Serve, root: Path) -> None:
    class Extra(StaticFileHandler):
        def set_extra_headers(self, path: str) -> None:
            self.set_header("X-Path", path)

    site = serve([(r"/(.*)", Extra, {"path": str(root)})])
    assert (await site.get("/sub/b.txt")).get("x-path") == "sub/b.txt"


# -- conditions --------------------------------------------------------------------------


async def validators(site: Site) -> tuple[str, str]:
    """Return the Etag and the Last-Modified of a file."""
    answer = await site.get("/f/a.txt")
    etag, modified = answer.get("etag"), answer.get("last-modified")
    assert etag is not None
    assert modified is not None
    return etag, modified


def not_modified(answer: Answer, etag: str) -> bool:
    """Say whether an answer is 304 and has what it has to have (RFC 9110 §15.4.5)."""
    if answer.status != 304:
        return False
    assert answer.body == b""
    assert answer.get("etag") == etag
    assert answer.get("content-type") is None
    assert answer.get("content-length") in (None, str(len(CONTENT)))
    return True


@pytest.mark.feature("M01")
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_file_that_the_client_has_is_not_sent_again(site: Site, method: str) -> None:
    """RFC 9110 §13.1.2 and §13.1.3."""
    etag, modified = await validators(site)
    later = format_datetime(parsedate_to_datetime(modified) + timedelta(days=1), usegmt=True)
    earlier = format_datetime(parsedate_to_datetime(modified) - timedelta(seconds=1), usegmt=True)
    client = await site.client()
    for fields, expected in {
        f"If-None-Match: {etag}": True,
        f'If-None-Match: "x", W/{etag}': True,
        "If-None-Match: *": True,
        'If-None-Match: "x"': False,
        f"If-Modified-Since: {modified}": True,
        f"If-Modified-Since: {later}": True,
        f"If-Modified-Since: {earlier}": False,
        # With both, the tag alone decides.
        f'If-None-Match: "x"\r\nIf-Modified-Since: {modified}': False,
        f"If-None-Match: {etag}\r\nIf-Modified-Since: {earlier}": True,
    }.items():
        request = f"{method} /f/a.txt HTTP/1.1\r\nHost: h\r\n{fields}\r\n\r\n"
        answer = await client.ask(request.encode())
        assert not_modified(answer, etag) is expected, fields
        if not expected:
            assert answer.status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_what_the_client_does_not_expect_is_refused(site: Site, method: str) -> None:
    """RFC 9110 §13.1.1, §13.1.4, and their order in §13.2.2."""
    etag, modified = await validators(site)
    earlier = format_datetime(parsedate_to_datetime(modified) - timedelta(seconds=1), usegmt=True)
    client = await site.client()
    for fields, status in {
        f"If-Match: {etag}": 200,
        "If-Match: *": 200,
        'If-Match: "x"': 412,
        f"If-Match: W/{etag}": 412,
        f"If-Unmodified-Since: {modified}": 200,
        f"If-Unmodified-Since: {earlier}": 412,
        "If-Unmodified-Since: yesterday": 200,
        f"If-Match: {etag}\r\nIf-Unmodified-Since: {earlier}": 200,
        f'If-Match: "x"\r\nIf-None-Match: {etag}': 412,
        f"If-Match: {etag}\r\nIf-None-Match: {etag}": 304,
        'If-Match: "x"\r\nRange: bytes=99-': 412,
    }.items():
        answer = await client.ask(
            f"{method} /f/a.txt HTTP/1.1\r\nHost: h\r\n{fields}\r\n\r\n".encode()
        )
        assert answer.status == status, fields
        assert CONTENT not in answer.body or status == 200


async def test_old_forms_of_dates_are_understood(site: Site, root: Path) -> None:
    """RFC 9110 §5.6.7: a recipient MUST accept all three."""
    os.utime(root / "a.txt", (784_111_777, 784_111_777))
    for date in (
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    ):
        answer = await site.get("/f/a.txt", f"If-Modified-Since: {date}\r\n")
        assert answer.status == 304, date


@pytest.mark.parametrize(
    "fields",
    [
        "If-None-Match: ",
        'If-None-Match: "',
        "If-None-Match: x",
        "If-Modified-Since: ",
        "If-Modified-Since: yesterday",
        "If-Modified-Since: 0",
        "If-Modified-Since: Thu, 01 Jan 99999999 00:00:00 GMT",
        "If-Modified-Since: Thu, 99 Jan 2020 00:00:00 GMT",
        "If-Modified-Since: Thu, 01 Jan 2020 99:99:99 GMT",
        "If-Modified-Since: Thu, 01 Jan 0000 00:00:00 GMT",
        "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 +9999999",
        "If-Modified-Since: " + "9" * 5000,
        "If-Modified-Since: \xff\xff",
    ],
)
async def test_conditions_that_are_junk_are_ignored(site: Site, fields: str) -> None:
    answer = await site.get("/f/a.txt", f"{fields}\r\n")
    assert (answer.status, answer.body) == (200, CONTENT)


async def test_a_changed_file_has_another_tag(site: Site, root: Path) -> None:
    etag, _ = await validators(site)
    (root / "a.txt").write_bytes(CONTENT[::-1])
    os.utime(root / "a.txt", ns=(0, 1_600_000_000_123_456_789))
    answer = await site.get("/f/a.txt", f"If-None-Match: {etag}\r\n")
    assert (answer.status, answer.body) == (200, CONTENT[::-1])
    assert answer.get("last-modified") == format_datetime(
        datetime.fromtimestamp(1_600_000_000, UTC), usegmt=True
    )
    assert answer.get("etag") != etag


# -- ranges ------------------------------------------------------------------------------


@pytest.mark.feature("M02")
@pytest.mark.parametrize(
    ("value", "first", "last"),
    [
        ("bytes=0-4", 0, 4),
        ("bytes=0-0", 0, 0),
        ("bytes=9-9", 9, 9),
        ("bytes=3-", 3, 9),
        ("bytes=5-99999", 5, 9),
        ("bytes=-3", 7, 9),
        ("BYTES=3-4", 3, 4),
        ("bytes=3-3,4-5", 3, 5),
        ("bytes=2-3,99-", 2, 3),
    ],
)
async def test_one_range_gets_206(site: Site, value: str, first: int, last: int) -> None:
    client = await site.client()
    answer = await client.get("/f/a.txt", f"Range: {value}\r\n")
    assert (answer.status, answer.body) == (206, CONTENT[first : last + 1])
    assert answer.get("content-range") == f"bytes {first}-{last}/10"
    assert answer.get("content-length") == str(last + 1 - first)
    assert answer.get("etag") == (await validators(site))[0]
    assert (await client.get("/f/a.txt")).body == CONTENT


@pytest.mark.feature("M02")
@pytest.mark.parametrize(
    "value", ["bytes=10-", "bytes=10-20", "bytes=99-", "bytes=-0", "bytes=1-0", "bytes=3"]
)
async def test_a_range_that_cannot_be_satisfied_gets_416(site: Site, value: str) -> None:
    client = await site.client()
    answer = await client.get("/f/a.txt", f"Range: {value}\r\n")
    assert (answer.status, answer.get("content-range")) == (416, "bytes */10")
    assert answer.body == b""
    for name in ("cache-control", "expires", "content-encoding"):
        assert answer.get(name) is None
    answer = await client.get("/f/empty.bin", "Range: bytes=0-\r\n")
    assert (answer.status, answer.get("content-range")) == (416, "bytes */0")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=--1",
        "bytes=+1-2",
        "bytes=1_0-",
        "bytes=0x1-",
        "bytes=1 -2",
        "bytes=1.0-2",
        "items=0-1",
        "0-1",
        "bytes:0-1",
        "bytes=0-" + "9" * 5000,
        "bytes=" + "9" * 5000 + "-",
        "bytes=\xb2-\xb3",
        "bytes=" + "\u0661-\u0662".encode().decode("latin-1"),
        "bytes=" + ",".join(f"{i}-{i}" for i in range(1000)),
    ],
)
async def test_a_range_that_is_none_is_ignored(site: Site, value: str) -> None:
    """RFC 9110 §14.2 lets the server do so with what it does not understand or want.

    CVE-2025-62727, CVE-2011-3192, CVE-2025-69225.
    """
    answer = await site.get("/f/a.txt", f"Range: {value}\r\n")
    assert (answer.status, answer.body) == (200, CONTENT)
    assert answer.get("content-range") is None


async def test_two_range_fields_are_ignored(site: Site) -> None:
    answer = await site.get("/f/a.txt", "Range: bytes=0-1\r\nRange: bytes=3-4\r\n")
    assert (answer.status, answer.body) == (200, CONTENT)


@pytest.mark.parametrize(
    "value", ["bytes=0-", "bytes=0-99", "bytes=-10", "bytes=-11", "bytes=5-,0-5"]
)
async def test_a_range_of_all_bytes_is_no_range(site: Site, value: str) -> None:
    """As Tornado has it: there are players that take no 206 for it."""
    answer = await site.get("/f/a.txt", f"Range: {value}\r\n")
    assert (answer.status, answer.body) == (200, CONTENT)
    assert answer.get("content-range") is None


@pytest.mark.parametrize("value", ["bytes=0-1", "bytes=99-", "bytes=0-1,4-5", "bytes=0-"])
async def test_head_has_the_head_of_a_range(site: Site, value: str) -> None:
    """RFC 9110 §9.3.2; as Tornado has it."""
    client = await site.client()
    request = f"HEAD /f/a.txt HTTP/1.1\r\nHost: h\r\nRange: {value}\r\n\r\n"
    head = await client.ask(request.encode())
    whole = await client.get("/f/a.txt", f"Range: {value}\r\n")
    assert head.body == b""
    assert head.status == whole.status
    for name in ("content-length", "content-range", "etag"):
        assert head.get(name) == whole.get(name)


@pytest.mark.feature("M03")
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("bytes=0-1,4-5", [(0, 2), (4, 6)]),
        ("bytes=-1, 0-0", [(9, 10), (0, 1)]),
        ("bytes=8-,0-2,2-3,20-", [(8, 10), (0, 4)]),
    ],
)
async def test_several_ranges_come_as_parts(
    site: Site, value: str, expected: list[tuple[int, int]]
) -> None:
    """RFC 9110 §14.6 and §15.3.7.2: in the order asked for, those that overlap as one."""
    answer = await site.get("/f/a.txt", f"Range: {value}\r\n")
    assert answer.status == 206
    assert answer.get("content-range") is None
    assert answer.get("content-length") == str(len(answer.body))
    kind = answer.get("content-type") or ""
    assert kind.startswith("multipart/byteranges; boundary=")
    message = BytesParser().parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + answer.body)
    parts = message.get_payload()
    assert [(part["Content-Range"], part.get_payload(decode=True)) for part in parts] == [
        (f"bytes {start}-{end - 1}/10", CONTENT[start:end]) for start, end in expected
    ]
    assert {part["Content-Type"] for part in parts} == {"text/plain"}


async def test_a_thousand_ranges_are_never_more_than_the_file(site: Site, root: Path) -> None:
    """CVE-2011-3192: overlapping ranges do not multiply the answer."""
    (root / "big").write_bytes(b"x" * 100_000)
    for value in (",".join(["0-"] * 1000), ",".join(["0-"] * 60), ",".join(["1-"] * 60)):
        answer = await site.get("/f/big", f"Range: bytes={value}\r\n")
        assert len(answer.body) <= 100_000


async def test_a_condition_comes_before_the_range(site: Site) -> None:
    """RFC 9110 §13.2.2"""
    etag, _ = await validators(site)
    for value in ("bytes=0-1", "bytes=99-"):
        answer = await site.get("/f/a.txt", f"If-None-Match: {etag}\r\nRange: {value}\r\n")
        assert not_modified(answer, etag)


@pytest.mark.feature("M04")
async def test_if_range_decides_between_the_range_and_the_whole_file(site: Site) -> None:
    """RFC 9110 §13.1.5: by strong comparison, and by the exact date."""
    etag, modified = await validators(site)
    later = format_datetime(parsedate_to_datetime(modified) + timedelta(days=1), usegmt=True)
    for condition, holds in {
        etag: True,
        modified: True,
        '"other"': False,
        f"W/{etag}": False,
        etag.strip('"'): False,
        later: False,
        "junk": False,
        "*": False,
    }.items():
        answer = await site.get("/f/a.txt", f"If-Range: {condition}\r\nRange: bytes=2-3\r\n")
        expected = (206, b"23") if holds else (200, CONTENT)
        assert (answer.status, answer.body) == expected, condition
    answer = await site.get("/f/a.txt", f"If-Range: {etag}\r\n")
    assert (answer.status, answer.body) == (200, CONTENT)


@pytest.mark.feature("M04")
async def test_if_range_decides_before_a_range_is_judged(site: Site) -> None:
    """A range of the file as it was before may be none of the file as it is now."""
    answer = await site.get("/f/a.txt", 'If-Range: "other"\r\nRange: bytes=500-\r\n')
    assert (answer.status, answer.body) == (200, CONTENT)


async def test_a_weak_tag_never_makes_a_range(serve: Serve, root: Path) -> None:
    """RFC 9110 §13.1.5: two weak tags that look the same do not match."""

    class Weak(StaticFileHandler):
        def compute_etag(self) -> str:
            return 'W/"weak"'

    site = serve([(r"/(.*)", Weak, {"path": str(root)})])
    answer = await site.get("/a.txt", 'If-Range: W/"weak"\r\nRange: bytes=2-3\r\n')
    assert (answer.status, answer.body) == (200, CONTENT)


# -- what lies outside -------------------------------------------------------------------

UP = ["..", "%2e%2e", "%2E.", ".%2e", "%252e%252e", "%c0%ae%c0%ae", "..%00", "....", "..;", "..\\"]
SLASHES = ["/", "%2f", "%2F", "\\", "%5c", "%252f", "//", "/./", "%c0%af"]


@pytest.mark.parametrize("up", UP)
async def test_no_spelling_leads_out_of_the_root(
    site: Site, caplog: pytest.LogCaptureFixture, up: str
) -> None:
    """Each is tried with each slash, for files above the root and beside it.

    CVE-2017-16762, CVE-2023-29159, CVE-2022-35920.
    """
    client = await site.client()
    for slash in SLASHES:
        for name in ("secret.txt", "static_private/secret.txt", "static/../secret.txt"):
            for start in ("/f/", "/f/sub/", "/f/sub" + slash):
                for count in (1, 2, 3):
                    target = start + (up + slash) * count + name.replace("/", slash)
                    answer = await client.get(target)
                    assert answer.status in (400, 403, 404), target
                    assert SECRET not in answer.body, target
    claim(caplog)


@pytest.mark.parametrize("prefix", ["/f/", "/f//", "/f/%2f", "/f/%2F%2F", "/f/\\", "/f/file:", "/"])
async def test_absolute_paths_lead_nowhere(
    site: Site, root: Path, caplog: pytest.LogCaptureFixture, prefix: str
) -> None:
    client = await site.client()
    outside = str(root.parent / "secret.txt")
    for path in (outside, outside.replace("/", "%2f"), "/" + outside, "c:/windows/win.ini"):
        answer = await client.get(prefix + path)
        assert answer.status in (400, 403, 404)
        assert SECRET not in answer.body
    claim(caplog)


async def test_a_file_outside_looks_like_one_that_does_not_exist(
    site: Site, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody learns by status, headers or page which files there are; CVE-2025-69226."""
    (root / "dangling").symlink_to(root.parent / "nothing")
    (root / "linkdir").symlink_to(root.parent / "static_private")
    (root / "link.txt").symlink_to(root.parent / "secret.txt")
    seen = set()
    for target in (
        "/f/../secret.txt",
        "/f/../nothing.txt",
        "/f/../static_private",
        "/f/../static_private/secret.txt",
        "/f/../static_private/nothing.txt",
        "/i/../static_private",
        "/i/../static_private/",
        "/i/dangling",
        "/i/linkdir",
        "/i/linkdir/",
        "/i/linkdir/secret.txt",
        "/i/linkdir/nothing.txt",
        "/f/link.txt",
    ):
        answer = await site.get(target)
        fields = [field for field in answer.fields if field[0] != "date"]
        seen.add((answer.status, repr(fields), answer.body))
    assert len(seen) == 1
    assert seen.pop()[0] == 403
    claim(caplog)


@pytest.mark.feature("M10")
async def test_links_that_lead_out_are_not_followed(
    site: Site, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """CVE-2024-23334 and CVE-2024-42367."""
    (root / "out.txt").symlink_to(root.parent / "secret.txt")
    (root / "outdir").symlink_to(root.parent / "static_private")
    (root / "relative.txt").symlink_to("../secret.txt")
    (root / "dangling").symlink_to(root.parent / "nothing")
    (root / "loop").symlink_to("loop")
    (root / "chain").symlink_to("out.txt")
    (root / "linked").mkdir()
    (root / "linked" / "index.html").symlink_to(root.parent / "secret.txt")
    for target in (
        *("out.txt", "outdir/secret.txt", "relative.txt", "dangling", "loop", "chain"),
        *("loop/a", "outdir", "outdir/"),
    ):
        answer = await site.get(f"/f/{target}")
        inside = target.startswith("loop")
        expected = (404 if inside else 403, False)
        assert (answer.status, SECRET in answer.body) == expected, target
    answer = await site.get("/i/linked/")
    assert (answer.status, SECRET in answer.body) == (403, False)
    claim(caplog)


async def test_links_within_the_root_are_followed(serve: Serve, site: Site, root: Path) -> None:
    """So is one that is the root itself."""
    (root / "in.txt").symlink_to("sub/b.txt")
    assert (await site.get("/f/in.txt")).body == b"b"
    (root.parent / "link").symlink_to(root)
    linked = serve([(r"/(.*)", StaticFileHandler, {"path": str(root.parent / "link")})])
    assert (await linked.get("/a.txt")).body == CONTENT


@pytest.mark.parametrize(
    "name",
    [
        "a.txt%00",
        "a.txt%00.html",
        "%00",
        "a" * 300,
        "a" * 10_000,
        "a/" * 2000,
        "../" * 2000 + "a.txt",
        "a.txt/x",
        "A.TXT%20",
        "%0a",
        "%7f",
        "~root",
        "",
    ],
)
async def test_names_of_no_file_are_no_error_of_the_server(
    site: Site, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    client = await site.client()
    answer = await client.get(f"/f/{name}")
    assert answer.status in (400, 403, 404)
    assert (await client.get("/f/a.txt")).body == CONTENT
    claim(caplog)


async def test_what_is_no_file_is_not_opened(
    site: Site, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A FIFO would block whoever opens it."""
    os.mkfifo(root / "fifo")
    client = await site.client()
    for target in ("/f/fifo", "/i/fifo", "/f/sub", "/f/sub/"):
        answer = await client.get(target)
        assert answer.status in (403, 404)
    claim(caplog)


async def test_a_file_that_may_not_be_read_is_not_found(
    site: Site, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (root / "a.txt").chmod(0)
    if os.access(root / "a.txt", os.R_OK):
        pytest.skip("this user may read every file")
    assert (await site.get("/f/a.txt")).status in (403, 404)
    claim(caplog)


async def test_a_root_that_is_not_there_serves_nothing(serve: Serve, tmp_path: Path) -> None:
    site = serve([(r"/(.*)", StaticFileHandler, {"path": str(tmp_path / "nothing")})])
    assert (await site.get("/a.txt")).status == 404


# -- directories -------------------------------------------------------------------------


async def test_a_directory_is_answered_with_its_default_file(site: Site) -> None:
    answer = await site.get("/i/sub/")
    assert (answer.status, answer.body) == (200, b"index of sub")
    assert answer.get("content-type") == "text/html"


async def test_a_directory_without_a_slash_is_redirected(site: Site) -> None:
    """So that relative links in its page work."""
    for target in ("/i/sub", "/sub"):
        answer = await site.get(target)
        assert (answer.status, answer.get("location")) == (301, target + "/")


async def test_a_directory_without_its_default_file_is_not_found(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await site.get("/i/sub/deep/")).status == 404
    assert (await site.get("/i/")).status == 404
    claim(caplog)


@pytest.mark.parametrize(
    "target",
    [
        "//sub",
        "//evil.example/../sub",
        "//evil.example/%2e%2e/sub",
        "//evil.example%2f..%2fsub",
        "/\\evil.example/../sub",
        "/\\/../sub",
        "/%5cevil.example/../sub",
        "/%5cevil.example%2f..%2fsub",
        "/%2fevil.example/../sub",
        "/%09/evil.example/../../sub",
        "/./sub",
        "/.//sub",
        "/sub/../sub",
        "///sub",
    ],
)
async def test_no_redirect_leads_to_another_host(
    site: Site, caplog: pytest.LogCaptureFixture, target: str
) -> None:
    """Two of ``/`` and ``\\`` at the start are a host to a browser."""
    answer = await site.get(target)
    location = answer.get("location")
    if location is not None:
        bare = location.lstrip("".join(map(chr, range(33))))
        assert bare.startswith("/")
        assert bare[1:2] not in ("/", "\\"), location
    claim(caplog)


async def test_names_in_an_error_page_are_escaped(
    serve: Serve, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site = serve([(r"/(.*)", StaticFileHandler, {"path": str(root)})], {"serve_traceback": True})
    answer = await site.get("/%3Cscript%3Ealert(1)%3C/script%3E")
    assert answer.status == 404
    if b"<script>" in answer.body:
        assert answer.get("content-type") == "text/plain"
    claim(caplog)


def test_the_handler_is_one_like_others() -> None:
    assert issubclass(StaticFileHandler, RequestHandler)
    assert StaticFileHandler.allowed_methods()[:2] == ["GET", "HEAD"]


async def test_no_file_stays_open(site: Site, root: Path) -> None:
    """Be it sent, not modified, refused, or left by its client in the middle."""

    def count() -> int:
        return len([name for name in os.listdir("/proc/self/fd") if leads_to_root(name)])

    def leads_to_root(name: str) -> bool:
        try:
            return os.readlink(f"/proc/self/fd/{name}").startswith(str(root))
        except FileNotFoundError:
            return False

    async def opened(number: int) -> None:
        while count() != number:
            await other.get("/f/a.txt")

    (root / "big").touch()
    os.truncate(root / "big", 16 * 1024 * 1024)
    client, other = await site.client(receive_buffer=65_536), await site.client()
    for fields in ("", "If-None-Match: *\r\n", 'If-Match: "x"\r\n', "Range: bytes=9999999-\r\n"):
        await site.get("/f/big", fields)
        await opened(0)
    await client.send(get("/f/big"))
    await opened(1)
    client.reset()
    await opened(0)


async def test_a_file_that_shrinks_while_it_is_sent_cuts_the_answer(
    serve: Serve, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is made up for what is missing."""

    class Shrinking(StaticFileHandler):
        def flush(self, include_footers: bool = False) -> Any:
            os.truncate(root / "big", 70_000)
            return super().flush(include_footers)

    (root / "big").write_bytes(b"x" * 300_000)
    site = serve([(r"/(.*)", Shrinking, {"path": str(root)})])
    client = await site.client()
    await client.send(get("/big"))
    raw = await client.read_to_end()
    assert len(raw.partition(b"\r\n\r\n")[2]) <= 140_000
    expect_log(caplog, "toolkit.general", "became shorter")
    expect_log(caplog, "toolkit.general", "Cannot send error response")
