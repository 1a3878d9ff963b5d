"""Signed values: only ours, for one name, for a time; and the format that Tornado has too."""

import base64
import hashlib
import hmac
import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.loops import expect_log
from toolkit.web import (
    create_signed_value,
    decode_signed_value,
    get_signature_key_version,
    signing,
    xsrf,
)

SECRET = "It's a secret to everybody"
KEYS: dict[int, str | bytes] = {0: "asdf", 1: b"qwer", 12: "zxcv"}
NOW = 1_300_000_000
DAY = 86400

#: Both as Tornado writes them; cookies of a program that moves stay good.
V1 = b"dmFsdWU=|1300000000|31c934969f53e48164c50768b40cbd7e2daaaa4f"
V2 = (
    b"2|1:0|10:1300000000|3:key|8:dmFsdWU=|"
    b"3d4e60b996ff9c5d5788e333a0cba6f238a22c6c0f94788870e1a9ecd482e152"
)


def now() -> float:
    """Return the time of all tests."""
    return NOW


def signed_v2(*fields: str, secret: str = SECRET) -> str:
    """Sign fields as version 2 does, whatever they are."""
    text = "2|" + "".join(field + "|" for field in fields)
    return text + hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


@pytest.mark.feature("L01")
@pytest.mark.parametrize(("version", "written"), [(1, V1), (2, V2), (None, V2)])
def test_values_are_written_and_read_as_tornado_does(version: int | None, written: bytes) -> None:
    assert create_signed_value(SECRET, "key", "value", version=version, clock=now) == written
    assert decode_signed_value(SECRET, "key", written, clock=now) == b"value"
    assert decode_signed_value(SECRET, "key", written.decode(), clock=now) == b"value"


@given(name=st.text(max_size=8), value=st.binary(max_size=40), key=st.sampled_from(list(KEYS)))
def test_any_name_and_value_come_back(name: str, value: bytes, key: int) -> None:
    raw = create_signed_value(KEYS, name, value, key_version=key, clock=now)
    assert decode_signed_value(KEYS, name, raw, clock=now) == value
    assert get_signature_key_version(raw) == key


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("name", ["", "ke", "keyd", "other", "Key", "key|"])
def test_a_value_is_good_for_its_name_alone(
    caplog: pytest.LogCaptureFixture, version: int, name: str
) -> None:
    """Tornado 3.2.1: a cookie ``ab`` could pass as another one."""
    raw = create_signed_value(SECRET, "key", "value", version=version, clock=now)
    assert decode_signed_value(SECRET, name, raw, clock=now) is None
    if version == 1:
        expect_log(caplog, "toolkit.general", "Invalid cookie signature")


@pytest.mark.parametrize("raw", [V1, V2])
def test_no_byte_of_a_value_can_be_changed(caplog: pytest.LogCaptureFixture, raw: bytes) -> None:
    """Each is replaced, left out and doubled."""
    for at in range(len(raw)):
        for changed in (
            raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :],
            raw[:at] + raw[at + 1 :],
            raw[:at] + raw[at : at + 1] + raw[at:],
        ):
            if changed != raw:
                assert decode_signed_value(SECRET, "key", changed, clock=now) is None, changed
    for record in caplog.records:
        record.claimed = True


def test_digits_moved_from_the_value_into_the_time_are_refused(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Version 1 signs them without what parts them, so that the signature stays good."""
    value = base64.b64decode("12345678")
    raw = create_signed_value(SECRET, "key", value, version=1, clock=now)
    moved = raw.replace(b"12345678|", b"1234|5678")
    assert decode_signed_value(SECRET, "key", raw, clock=now) == value
    assert decode_signed_value(SECRET, "key", moved, clock=now) is None
    expect_log(caplog, "toolkit.general", "Cookie timestamp in future")


WELL_FORMED = ["1:0", "10:1300000000", "3:key", "8:dmFsdWU="]


@pytest.mark.parametrize(
    ("place", "field"),
    [
        (0, "1:1"),  # another key has to have signed it, were there one
        (0, "2:00"),
        (0, "2:+0"),
        (0, "2:-0"),
        (0, "0:"),
        (0, "1:x"),
        (1, "11:01300000000"),
        (1, "11:+1300000000"),
        (1, "0:"),
        (1, "1:a"),
        (1, "3:\u0661\u0662\u0663"),
        (1, "30:" + "1" * 30),
        (2, "4:key"),
        (2, "2:key"),
        (2, "03:key"),
        (2, "+3:key"),
        (2, "3 :key"),
        (2, "key"),
        (2, ""),
        (2, "99999999:key"),
        (3, "7:dmFsdWU"),
        (3, "8:dmFs*WU="),
    ],
)
def test_fields_are_written_in_one_way_alone(place: int, field: str) -> None:
    """Though the signature is good, which only a fault of ours could make."""
    fields = [*WELL_FORMED]
    assert decode_signed_value(SECRET, "key", signed_v2(*fields), clock=now) == b"value"
    fields[place] = field
    secret = {0: SECRET}
    assert decode_signed_value(secret, "key", signed_v2(*fields), clock=now) is None


def test_a_separator_in_a_value_or_a_name_changes_nothing() -> None:
    raw = create_signed_value(SECRET, "a|b:c", "1|2:3", clock=now)
    assert decode_signed_value(SECRET, "a|b:c", raw, clock=now) == b"1|2:3"


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("age", "max_age_days", "good"),
    [
        (31 * DAY, 31, True),
        (31 * DAY + 1, 31, False),
        (DAY, 0.5, False),
        (DAY // 2, 0.5, True),
        (-31 * DAY, 31, True),
    ],
)
def test_values_expire(version: int, age: int, max_age_days: float, good: bool) -> None:
    raw = create_signed_value(SECRET, "k", "v", version=version, clock=lambda: NOW - age)
    found = decode_signed_value(SECRET, "k", raw, max_age_days=max_age_days, clock=now)
    assert found == (b"v" if good else None)


@pytest.mark.parametrize("version", [1, 2])
def test_values_of_a_far_future_are_refused(caplog: pytest.LogCaptureFixture, version: int) -> None:
    raw = create_signed_value(SECRET, "k", "v", version=version, clock=lambda: NOW + 32 * DAY)
    assert decode_signed_value(SECRET, "k", raw, clock=now) is None
    expect_log(caplog, "toolkit.general", "Cookie timestamp in future")


def test_an_older_format_can_be_refused() -> None:
    """So that nobody can choose the weaker one."""
    assert decode_signed_value(SECRET, "key", V1, clock=now, min_version=2) is None
    assert decode_signed_value(SECRET, "key", V2, clock=now, min_version=2) == b"value"
    with pytest.raises(ValueError, match="version 3"):
        decode_signed_value(SECRET, "key", V2, clock=now, min_version=3)
    with pytest.raises(ValueError, match="version 3"):
        create_signed_value(SECRET, "key", "value", version=3)


@pytest.mark.feature("L01")
def test_keys_can_be_changed() -> None:
    """What was signed by the old one is good until that is taken away."""
    old = create_signed_value(KEYS, "k", "v", key_version=0, clock=now)
    new = create_signed_value(KEYS, "k", "v", key_version=12, clock=now)
    assert decode_signed_value(KEYS, "k", old, clock=now) == b"v"
    remaining = {version: key for version, key in KEYS.items() if version}
    assert decode_signed_value(remaining, "k", old, clock=now) is None
    assert decode_signed_value(remaining, "k", new, clock=now) == b"v"
    assert (get_signature_key_version(old), get_signature_key_version(new)) == (0, 12)
    assert [get_signature_key_version(raw) for raw in (V1, b"", b"2|x", "7|1:0|")] == [None] * 4


def test_keys_need_a_version() -> None:
    with pytest.raises(ValueError, match="key version None"):
        create_signed_value(KEYS, "k", "v")
    with pytest.raises(ValueError, match="key version 5"):
        create_signed_value(KEYS, "k", "v", key_version=5)
    with pytest.raises(ValueError, match="one secret"):
        create_signed_value(KEYS, "k", "v", version=1)
    assert decode_signed_value(KEYS, "key", V1, clock=now) is None


@pytest.mark.parametrize(
    "raw", [None, "", b"", "|", "||", "a|b", "2|", "2", "3|1:0|", "a|1|", "\u20ac|1|x", "|" * 999]
)
def test_rubbish_is_no_value(caplog: pytest.LogCaptureFixture, raw: str | bytes | None) -> None:
    assert decode_signed_value(SECRET, "key", raw, clock=now) is None
    assert len(caplog.records) <= 1
    for record in caplog.records:
        record.claimed = True


def test_the_log_shows_little_of_a_long_value(caplog: pytest.LogCaptureFixture) -> None:
    """CVE-2025-69230 of aiohttp: logs are not to be filled from outside."""
    assert decode_signed_value(SECRET, "key", b"x" * 60_000 + b"|1|y", clock=now) is None
    (record,) = expect_log(caplog, "toolkit.general", "Invalid cookie signature")
    assert len(record.getMessage()) < 200


@pytest.mark.parametrize("module", [signing, xsrf])
def test_secrets_are_compared_in_a_time_that_tells_nothing(module: object) -> None:
    """CVE-2021-33880 of websockets."""
    source = inspect.getsource(module)  # type: ignore[arg-type]
    assert "compare_digest(" in source
    assert "signature ==" not in source
    assert "secret ==" not in source
