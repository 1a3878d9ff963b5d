"""The types of the package are for its users too."""

import tomllib
from pathlib import Path

import pytest

import toolkit

ROOT = Path(toolkit.__file__).parents[1]


@pytest.mark.feature("V01")
def test_the_types_are_shipped_and_checked_strictly() -> None:
    """`py.typed` is in the package (PEP 561), and `make check` runs mypy over all of it."""
    assert Path(toolkit.__file__).with_name("py.typed").exists()
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]
    assert settings["strict"]
    assert "toolkit" in settings["files"]
    assert "types: " in (ROOT / "Makefile").read_text()
    assert "check: lint types" in (ROOT / "Makefile").read_text()
