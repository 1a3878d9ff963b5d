"""What is read from certificates (RFC 5280), beside what `cryptography` reads."""

import contextlib
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from toolkit.wire.x509 import MAX_FILE_SIZE, read_der, read_pem


def der(certificate: trustme.LeafCert) -> bytes:
    """Return a certificate in DER."""
    loaded = x509.load_pem_x509_certificate(certificate.cert_chain_pems[0].bytes())
    return loaded.public_bytes(serialization.Encoding.DER)


#: A certificate in DER.
SAMPLE = der(
    trustme.CA().issue_cert(
        "a.test", "*.b.test", "127.0.0.1", "::1", not_after=datetime(2049, 1, 1)
    )
)


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Make an authority for certificates."""
    return trustme.CA()


def in_days(days: int) -> datetime:
    """Return the time in so many days, to the second."""
    return datetime.now(UTC).replace(microsecond=0) + timedelta(days)


@pytest.mark.parametrize(
    "names",
    [
        ["localhost"],
        ["a.test", "*.b.test", "xn--bcher-kva.example"],
        ["127.0.0.1", "::1", "2001:db8::7"],
        [f"{number}.many.test" for number in range(300)],
        ["somebody@example.org", "a.test"],
    ],
    ids=["one", "several", "addresses", "many", "mail"],
)
@pytest.mark.parametrize("years", [1, 60, 500])
def test_names_and_dates_are_read(authority: trustme.CA, names: list[str], years: int) -> None:
    """As `cryptography` reads them; after 2049 dates are written in another way."""
    issued = authority.issue_cert(*names, not_after=in_days(365 * years))
    theirs = x509.load_der_x509_certificate(der(issued))
    facts = read_der(der(issued))
    assert facts.names == tuple(name for name in names if "@" not in name)
    assert facts.not_before == theirs.not_valid_before_utc
    assert facts.not_after == theirs.not_valid_after_utc
    assert read_pem(issued.private_key_and_cert_chain_pem.bytes()) == facts


def test_a_certificate_without_names_has_none() -> None:
    """What it says as its subject counts for no client any more (RFC 9525 §1.4)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "a.test")])
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 7)
    dates = datetime(1950, 1, 1, tzinfo=UTC), datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC)
    builder = builder.not_valid_before(dates[0]).not_valid_after(dates[1])
    signed = builder.sign(key, hashes.SHA256())
    facts = read_der(signed.public_bytes(serialization.Encoding.DER))
    assert (facts.names, facts.not_before, facts.not_after) == ((), *dates)
    builder = builder.add_extension(x509.BasicConstraints(False, None), critical=True)
    signed = builder.sign(key, hashes.SHA256())
    assert read_der(signed.public_bytes(serialization.Encoding.DER)) == facts


@pytest.mark.parametrize("other", [b"\x19", b"\x02"])
def test_a_date_in_another_form_is_an_error(other: bytes) -> None:
    data = SAMPLE.replace(b"\x17\x0d", other + b"\x0d")
    with pytest.raises(ValueError, match=r"tag 0x\d+ for a time"):
        read_der(data)


def test_a_date_that_is_none_is_an_error() -> None:
    start = SAMPLE.index(b"\x17\x0d") + 2
    with pytest.raises(ValueError, match="time '"):
        read_der(SAMPLE[: start + 4] + b"x" + SAMPLE[start + 5 :])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no certificate in PEM"),
        (b"-----BEGIN CERTIFICATE-----\nMA==", "no certificate in PEM"),
        (b"-----BEGIN CERTIFICATE-----\nM\n-----END CERTIFICATE-----", "base64"),
        (b"-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----", "DER ends"),
        (b"x" * (MAX_FILE_SIZE + 1), f"{MAX_FILE_SIZE} are allowed"),
    ],
)
def test_a_file_without_a_certificate_says_so(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_pem(data)


def test_a_certificate_that_is_cut_off_is_an_error(authority: trustme.CA) -> None:
    data = der(authority.issue_cert("a.test", "127.0.0.1"))
    for size in range(len(data)):
        with pytest.raises(ValueError):
            read_der(data[:size])


@given(st.lists(st.tuples(st.integers(0, len(SAMPLE) - 1), st.integers(0, 255)), min_size=1))
def test_a_certificate_that_is_damaged_gives_facts_or_a_value_error(
    damages: list[tuple[int, int]],
) -> None:
    data = bytearray(SAMPLE)
    for position, value in damages:
        data[position] = value
    with contextlib.suppress(ValueError):
        assert all(isinstance(name, str) for name in read_der(bytes(data)).names)
