"""The static handler: conditional requests (RFC 9110 §13) and ranges (§14)."""

from tests.http.battery.case import CANARY, EITHER, Case, case, request, want
from tests.http.battery.site import AFTER_DATE, BEFORE_DATE, CONTENT, MODIFIED_DATE

_FILE = "GET /static/file.txt"
_NEXT = request("GET /get")
_GET = want(200, b"get")
_SIZE = len(CONTENT)

_WHOLE = want(200, CONTENT, has={"etag": None, "last-modified": MODIFIED_DATE})
_SAME = want(304, b"", has={"etag": None}, lacks=("content-range", "transfer-encoding"))
_FAILED = want(412, lacks=("content-range",))
_NO_RANGE = want(416, has={"content-range": f"bytes */{_SIZE}"})


def _part(first: int, last: int) -> object:
    return want(
        206,
        CONTENT[first : last + 1],
        has={
            "content-range": f"bytes {first}-{last}/{_SIZE}",
            "content-length": str(last + 1 - first),
        },
    )


def _asked(name: str, section: str, wanted: object, *fields: str, line: str = _FILE) -> Case:
    """The file is asked for with some fields, and the next answer comes where it should."""
    return case(name, section, request(line, *fields) + _NEXT, (wanted, _GET))  # type: ignore[arg-type]


CONDITIONS = (
    _asked("file", "RFC 9110 §9.3.1", _WHOLE),
    _asked("file offers ranges", "RFC 9110 §14.3", want(200, has={"accept-ranges": "bytes"})),
    _asked("its tag", "RFC 9110 §13.1.2", _SAME, "If-None-Match: @ETAG@"),
    _asked("its tag, weak", "RFC 9110 §13.1.2", _SAME, "If-None-Match: W/@ETAG@"),
    _asked("any tag", "RFC 9110 §13.1.2", _SAME, "If-None-Match: *"),
    _asked("tags in a list", "RFC 9110 §13.1.2", _SAME, 'If-None-Match: "a" , "b,c",@ETAG@'),
    _asked(
        "tags in two lines", "RFC 9110 §5.3", _SAME, 'If-None-Match: "a"', "If-None-Match: @ETAG@"
    ),
    _asked("another tag", "RFC 9110 §13.1.2", _WHOLE, 'If-None-Match: "a"'),
    _asked("tag that is none", "RFC 9110 §13.1.2", _WHOLE, "If-None-Match: a"),
    _asked("empty tag", "RFC 9110 §13.1.2", _WHOLE, 'If-None-Match: ""'),
    _asked("its date", "RFC 9110 §13.1.3", _SAME, f"If-Modified-Since: {MODIFIED_DATE}"),
    _asked("a later date", "RFC 9110 §13.1.3", _SAME, f"If-Modified-Since: {AFTER_DATE}"),
    _asked("an earlier date", "RFC 9110 §13.1.3", _WHOLE, f"If-Modified-Since: {BEFORE_DATE}"),
    _asked("date that is none", "RFC 9110 §13.1.3", _WHOLE, "If-Modified-Since: yesterday"),
    _asked("empty date", "RFC 9110 §13.1.3", _WHOLE, "If-Modified-Since:"),
    _asked(
        "date of a year that is too large",
        "RFC 9110 §13.1.3",
        _WHOLE,
        "If-Modified-Since: Tue, 14 Nov 99999999 22:13:20 GMT",
    ),
    _asked(
        "date as RFC 850 writes it",
        "RFC 9110 §5.6.7",
        _SAME,
        "If-Modified-Since: Tuesday, 14-Nov-23 22:13:20 GMT",
    ),
    _asked(
        "date as asctime writes it",
        "RFC 9110 §5.6.7",
        _SAME,
        "If-Modified-Since: Tue Nov 14 22:13:20 2023",
    ),
    _asked(
        "another tag and its date",
        "RFC 9110 §13.1.3",
        _WHOLE,
        'If-None-Match: "a"',
        f"If-Modified-Since: {MODIFIED_DATE}",
    ),
    _asked(
        "its tag and an earlier date",
        "RFC 9110 §13.1.3",
        _SAME,
        "If-None-Match: @ETAG@",
        f"If-Modified-Since: {BEFORE_DATE}",
    ),
    _asked("If-Match of its tag", "RFC 9110 §13.1.1", _WHOLE, "If-Match: @ETAG@"),
    _asked("If-Match of any tag", "RFC 9110 §13.1.1", _WHOLE, "If-Match: *"),
    _asked("If-Match in a list", "RFC 9110 §13.1.1", _WHOLE, 'If-Match: "a", @ETAG@'),
    _asked("If-Match of another tag", "RFC 9110 §13.1.1", _FAILED, 'If-Match: "a"'),
    _asked("If-Match of its tag, weak", "RFC 9110 §13.1.1", _FAILED, "If-Match: W/@ETAG@"),
    _asked(
        "unmodified since its date",
        "RFC 9110 §13.1.4",
        _WHOLE,
        f"If-Unmodified-Since: {MODIFIED_DATE}",
    ),
    _asked(
        "unmodified since an earlier date",
        "RFC 9110 §13.1.4",
        _FAILED,
        f"If-Unmodified-Since: {BEFORE_DATE}",
    ),
    _asked(
        "unmodified since a date that is none",
        "RFC 9110 §13.1.4",
        _WHOLE,
        "If-Unmodified-Since: yesterday",
    ),
    _asked(
        "If-Match beats If-Unmodified-Since",
        "RFC 9110 §13.1.4",
        _WHOLE,
        "If-Match: @ETAG@",
        f"If-Unmodified-Since: {BEFORE_DATE}",
    ),
    _asked(
        "If-Match comes before If-None-Match",
        "RFC 9110 §13.2.2",
        _FAILED,
        'If-Match: "a"',
        "If-None-Match: @ETAG@",
    ),
    _asked(
        "HEAD with its tag",
        "RFC 9110 §13.1.2",
        want(304, b"", "HEAD"),
        "If-None-Match: @ETAG@",
        line="HEAD /static/file.txt",
    ),
    _asked(
        "condition on a file that is not there",
        "RFC 9110 §13.2.1",
        want(404),
        "If-None-Match: *",
        "If-Match: *",
        line="GET /static/nothing",
    ),
)

RANGES = (
    _asked("first byte", "RFC 9110 §14.1.2", _part(0, 0), "Range: bytes=0-0"),
    _asked("some bytes", "RFC 9110 §14.1.2", _part(10, 19), "Range: bytes=10-19"),
    _asked("all from one on", "RFC 9110 §14.1.2", _part(90, 99), "Range: bytes=90-"),
    _asked("last bytes", "RFC 9110 §14.1.2", _part(95, 99), "Range: bytes=-5"),
    _asked(
        "more last bytes than there are",
        "RFC 9110 §14.1.2",
        want((200, 206), CONTENT),
        "Range: bytes=-1000",
    ),
    _asked("further than the end", "RFC 9110 §14.1.2", _part(50, 99), "Range: bytes=50-1000"),
    _asked("first and last at once", "RFC 9110 §14.1.2", _part(99, 99), "Range: bytes=99-99"),
    _asked("zeros before", "RFC 9110 §14.1.2", _part(1, 2), "Range: bytes=0001-0002"),
    _asked("behind the end", "RFC 9110 §15.5.17", _NO_RANGE, "Range: bytes=100-"),
    _asked("far behind the end", "RFC 9110 §15.5.17", _NO_RANGE, "Range: bytes=1000-2000"),
    _asked("no last bytes", "RFC 9110 §14.1.2", _NO_RANGE, "Range: bytes=-0"),
    _asked("two ranges", "RFC 9110 §14.2", want((200, 206)), "Range: bytes=0-0,5-5"),
    _asked(
        "a thousand ranges",
        "CVE-2025-62727",
        want((200, 416)),
        "Range: bytes=" + ",".join(f"{at}-{at}" for at in range(0, 2000, 2)),
    ),
    _asked(
        "overlapping ranges",
        "CVE-2011-3192",
        want((200, 206, 416)),
        "Range: bytes=" + ",".join(["0-"] * 100),
    ),
    _asked("another unit", "RFC 9110 §14.2", _WHOLE, "Range: lines=0-1"),
    _asked("unit in capitals", "RFC 9110 §14.1", _part(0, 0), "Range: BYTES=0-0"),
    *(
        _asked(
            f"range that is none: {value[:20]!r}",
            "RFC 9110 §14.2",
            want((200, 400, 416)),
            f"Range: {value}",
        )
        for value in (
            "bytes=5-2",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=1-2-3",
            "bytes=+1-2",
            "bytes=1_0-20",
            "bytes=0x1-0x2",
            "bytes=\xb2-\xb3",
            "bytes=1 - 2",
            "0-1",
            "bytes=0-" + "9" * 5000,
            "bytes=" + "9" * 5000 + "-",
            "bytes=-" + "9" * 5000,
        )
    ),
    _asked(
        "two Range fields",
        "RFC 9110 §14.2",
        want((200, 206, 400, 416)),
        "Range: bytes=0-0",
        "Range: bytes=5-5",
    ),
    _asked(
        "range with HEAD",
        "RFC 9110 §14.2",
        # A server may ignore the range, or answer as to a GET.
        want((200, 206), b"", "HEAD"),
        "Range: bytes=0-0",
        line="HEAD /static/file.txt",
    ),
    _asked(
        "range of an empty file",
        "RFC 9110 §14.1.2",
        want((200, 416)),
        "Range: bytes=0-",
        line="GET /static/empty.txt",
    ),
    _asked(
        "range of what is not there",
        "RFC 9110 §14.2",
        want(404),
        "Range: bytes=0-0",
        line="GET /static/nothing",
    ),
    _asked(
        "If-Range with its tag",
        "RFC 9110 §13.1.5",
        _part(0, 0),
        "Range: bytes=0-0",
        "If-Range: @ETAG@",
    ),
    _asked(
        "If-Range with another tag", "RFC 9110 §13.1.5", _WHOLE, "Range: bytes=0-0", 'If-Range: "a"'
    ),
    _asked(
        "If-Range with its tag, weak",
        "RFC 9110 §13.1.5",
        _WHOLE,
        "Range: bytes=0-0",
        "If-Range: W/@ETAG@",
    ),
    _asked(
        "If-Range with its date",
        "RFC 9110 §13.1.5",
        _part(0, 0),
        "Range: bytes=0-0",
        f"If-Range: {MODIFIED_DATE}",
    ),
    _asked(
        "If-Range with a later date",
        "RFC 9110 §13.1.5",
        _WHOLE,
        "Range: bytes=0-0",
        f"If-Range: {AFTER_DATE}",
    ),
    _asked(
        "If-Range with another date, behind the end",
        "RFC 9110 §13.1.5",
        _WHOLE,
        "Range: bytes=100-",
        f"If-Range: {AFTER_DATE}",
    ),
    _asked("If-Range without Range", "RFC 9110 §13.1.5", _WHOLE, "If-Range: @ETAG@"),
    _asked(
        "range and its tag", "RFC 9110 §13.2.2", _SAME, "Range: bytes=0-0", "If-None-Match: @ETAG@"
    ),
    _asked(
        "range and another tag",
        "RFC 9110 §13.2.2",
        _part(0, 0),
        "Range: bytes=0-0",
        'If-None-Match: "a"',
    ),
    _asked(
        "range and If-Match of another tag",
        "RFC 9110 §13.2.2",
        _FAILED,
        "Range: bytes=0-0",
        'If-Match: "a"',
    ),
    _asked(
        "range and If-Match of its tag",
        "RFC 9110 §13.2.2",
        _part(0, 0),
        "Range: bytes=0-0",
        "If-Match: @ETAG@",
    ),
    case(
        "method that files lack",
        "RFC 9110 §15.5.6",
        request("PUT /static/file.txt", f"Content-Length: {len(CANARY)}", body=CANARY),
        want(405, method="PUT", lists={"allow": ("get", "head")}),
        EITHER,
    ),
)

FILES = (*CONDITIONS, *RANGES)
