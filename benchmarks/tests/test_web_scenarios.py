"""Each row of the web against the servers whose packages are here, and the engines of templates."""

import html
import importlib.util
import os

import pytest

from benchmarks.peers import ENGINES, Peer
from benchmarks.process import ServerError
from benchmarks.scenarios import Cores
from benchmarks.scenarios.web import WEB, Web, is_json, is_table
from benchmarks.servers.template_engine import CASES, fill

CORES = Cores(min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0)))


def needs(*packages: str) -> None:
    """Skip the test when a package is not here."""
    for package in packages:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")


def peer_of(row: Web, name: str) -> Peer:
    """Return a row's server of that name."""
    return next(peer for peer in row.layout.peers if peer.name == name)


@pytest.mark.parametrize("name", ["toolkit-uvloop", "tornado"])
@pytest.mark.parametrize("row", WEB, ids=lambda row: row.name)
def test_both_answer_a_row_alike(row: Web, name: str) -> None:
    needs("uvloop" if name == "toolkit-uvloop" else name)
    row.check(peer_of(row, name), CORES)


def test_a_row_without_its_route_is_found_out() -> None:
    needs("uvloop")
    row = next(row for row in WEB if row.name == "routes100")
    other = next(row for row in WEB if row.name == "routes10")
    with pytest.raises(ServerError, match="gave 404"):
        row.check(peer_of(other, "toolkit-uvloop"), CORES)


@pytest.mark.parametrize("body", [b"", b"{", b'{"a": 2}', b"\xff"])
def test_another_value_is_not_the_answer(body: bytes) -> None:
    assert not is_json({"a": 1})(body)


def test_a_page_that_is_not_escaped_is_not_the_answer() -> None:
    assert not is_table(b"<td>0</td><td><b>fortune</b></td>")


@pytest.mark.parametrize("case", CASES)
def test_engines_make_the_same_page(case: str) -> None:
    pages = set()
    for engine in ENGINES:
        if importlib.util.find_spec(engine.name) is None:
            continue
        page = fill(engine.name, case)()
        text = page if isinstance(page, str) else page.decode()
        assert "<script>" not in text
        # A quote has several escapes, and what stands behind a line of its own differs.
        pages.add(html.unescape(text).replace("\n", ""))
    assert len(pages) == 1
