"""Each row of the web against the servers whose packages are here, and the engines of templates."""

import contextlib
import functools
import html
import importlib.util
import os
from collections.abc import Callable, Iterator

import pytest

from benchmarks.peers import ENGINES, Peer
from benchmarks.process import Server, ServerError
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


@pytest.fixture(scope="module")
def served() -> Iterator[Callable[[Peer], Server]]:
    """Return a function that gives the server of a peer, which rows of the same one share."""
    with contextlib.ExitStack() as stack:

        @functools.cache
        def server_of(peer: Peer) -> Server:
            return stack.enter_context(Server(peer, CORES.server))

        yield server_of


@pytest.mark.parametrize("name", ["toolkit-uvloop", "tornado"])
@pytest.mark.parametrize("row", WEB, ids=lambda row: row.name)
def test_both_answer_a_row_alike(served: Callable[[Peer], Server], row: Web, name: str) -> None:
    needs("uvloop" if name == "toolkit-uvloop" else name)
    row.look_at(served(peer_of(row, name)))


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
