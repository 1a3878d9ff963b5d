"""The Autobahn test suite finds nothing in server and client."""

import pytest

from tests.system import autobahn
from tests.system.programs import need

pytestmark = pytest.mark.system

#: Cases of 1 to 7 and 10.
CASES = 247


@pytest.mark.feature("D05")
async def test_the_server_passes() -> None:
    """All cases but the long ones, which `make autobahn` runs as well."""
    need(str(autobahn.WSTEST))
    results = await autobahn.run_against_server()
    assert len(results) == CASES
    assert results == autobahn.expected(results)


async def test_the_client_passes() -> None:
    """The same cases from the other side."""
    need(str(autobahn.WSTEST))
    results = await autobahn.run_against_client()
    assert len(results) == CASES
    assert results == autobahn.expected(results)
