"""A missing program is no silent success."""

import pytest

from tests.system.programs import need

MISSING = "no-such-program-anywhere"


def test_a_missing_program_skips(monkeypatch: pytest.MonkeyPatch) -> None:
    """At somebody's desk the test is skipped, and says why."""
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=f"{MISSING} is not installed"):
        need(MISSING)


def test_a_missing_program_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all programs are meant to be, the test fails."""
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=f"{MISSING} is not installed"):
        need(MISSING)
