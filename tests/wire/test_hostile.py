"""Requests that have to be refused, and unusual ones that must not be."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.wire.feeding import cuttings, serve
from tests.wire.hostile import CANARY, HOSTILE, Hostile
from tests.wire.unusual import UNUSUAL, Unusual
from toolkit.wire.errors import RemoteProtocolError
from toolkit.wire.events import ResponseHead
from toolkit.wire.http1 import DEFAULT_LIMITS, SERVER, Machine

ROOT = Path(__file__).resolve().parents[2]


def test_the_table_is_large_and_its_entries_are_told_apart() -> None:
    """256 entries at least, 150 of them without a loop over bytes, no name twice."""
    names = [entry.name for entry in HOSTILE]
    assert len(set(names)) == len(names) >= 256
    assert sum(not re.search(" 0x[0-9a-f]{2}$", name) for name in names) >= 150
    assert all(entry.raw.endswith(CANARY) for entry in HOSTILE)


@pytest.mark.parametrize("entry", HOSTILE, ids=lambda entry: entry.name)
def test_a_hostile_request_is_refused_however_it_is_cut(entry: Hostile) -> None:
    """Status and words are the same for every cut; nothing behind is read, then or later."""
    errors = set()
    for pieces in cuttings(entry.raw):
        machine = Machine(SERVER, entry.limits)
        said, error = serve(machine, pieces)
        assert error is not None, f"accepted: {said}"
        errors.add((error.status, str(error)))
        assert not any("/canary" in one for one in said)
        with pytest.raises(RemoteProtocolError) as again:
            machine.next_event()
        assert (again.value.status, str(again.value)) == (error.status, str(error))
    assert len(errors) == 1
    assert {status for status, _ in errors} <= entry.statuses


#: Good requests that come before, in pieces: what a machine learns from them must not matter.
EARLIER = {
    "as one piece": [b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"],
    "with content": [b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n", b"hi"],
    "line by line": [b"GET /a HTTP/1.1\r\n", b"Host: h\r\n", b"\r\n"],
    "with a long head": [b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"y" * 9000 + b"\r\n\r\n"],
    "in HTTP/1.0": [b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"],
    "to HEAD": [b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n"],
    "after empty lines": [b"\r\n" * 5 + b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"],
    "after empty lines apart": [b"\r\n" * 5, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"],
}


@pytest.mark.parametrize("pieces", EARLIER.values(), ids=EARLIER)
def test_a_hostile_request_is_refused_after_a_good_one(pieces: list[bytes]) -> None:
    """What came before on the connection changes neither the verdict nor the status."""
    for entry in HOSTILE:
        if entry.limits is not DEFAULT_LIMITS:
            continue
        machine = Machine(SERVER)
        assert serve(machine, pieces)[1] is None
        said, error = serve(machine, [entry.raw])
        assert error is not None, f"{entry.name} accepted: {said}"
        assert error.status in entry.statuses, entry.name
        assert not any("/canary" in one for one in said), entry.name


@pytest.mark.parametrize("pieces", EARLIER.values(), ids=EARLIER)
def test_an_unusual_request_is_read_after_a_good_one(pieces: list[bytes]) -> None:
    """What came before on the connection changes nothing of what is read."""
    for entry in UNUSUAL:
        if entry.limits is not DEFAULT_LIMITS:
            continue
        fresh, _ = serve(Machine(SERVER), [entry.raw])
        machine = Machine(SERVER)
        assert serve(machine, pieces)[1] is None
        again, error = serve(machine, [entry.raw])
        assert error is None, entry.name
        assert again == fresh, entry.name


def test_hostile_requests_are_refused_without_assertions() -> None:
    """CVE-2025-69227: no check hangs on a statement that ``python -O`` leaves out."""
    code = """
from tests.wire.feeding import serve
from tests.wire.hostile import HOSTILE
from toolkit.wire.http1 import SERVER, Machine
bad = [entry.name for entry in HOSTILE
       if (error := serve(Machine(SERVER, entry.limits), [entry.raw])[1]) is None
       or error.status not in entry.statuses]
print(__debug__, len(HOSTILE), bad)
"""
    run = subprocess.run(
        [sys.executable, "-O", "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert run.stdout == f"False {len(HOSTILE)} []\n"


def test_a_refusal_can_be_said_and_ends_the_connection() -> None:
    """The answer says close, and what comes later is neither read nor answered."""
    for entry in HOSTILE:
        machine = Machine(SERVER, entry.limits)
        _, error = serve(machine, [entry.raw])
        assert error is not None, entry.name
        raw = machine.send_head(ResponseHead(error.status), b"no", end=True)
        assert b"\r\nConnection: close\r\n" in raw, entry.name
        assert raw.endswith(b"\r\n\r\nno"), entry.name
        assert machine.finished, entry.name
        assert not machine.keep_alive, entry.name
        machine.receive(CANARY)
        with pytest.raises(RemoteProtocolError):
            machine.next_event()


@pytest.mark.parametrize("entry", UNUSUAL, ids=lambda entry: entry.name)
def test_an_unusual_request_is_read_however_it_is_cut(entry: Unusual) -> None:
    """Head, content and trailers are the same for every cut, and the next request is found."""
    for pieces in cuttings(entry.raw + CANARY):
        said, error = serve(Machine(SERVER, entry.limits), pieces)
        assert error is None
        kind, method, target, version, fields, host, *_ = said[0]
        assert (kind, method, target, version, host) == ("request", *entry.start)
        assert fields == entry.fields
        body = [("data", entry.body)] if entry.body else []
        assert said[1 : len(body) + 2] == [*body, ("end", entry.trailers)]
        following = said[len(body) + 2 :]
        assert [one[2] for one in following[:1]] == (["/canary"] if entry.keeps_alive else [])
