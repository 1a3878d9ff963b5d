"""The guide to running an application and the program know the same options."""

import re

from tests.house.modules import ROOT
from toolkit.cli import routes, run, serve

GUIDE = (ROOT / "docs" / "run.md").read_text()


def test_the_guide_names_options_that_exist() -> None:
    """Of one of the three subcommands."""
    known = {
        flag
        for parser in (run.parser(), serve.parser(), routes.parser())
        for action in parser._actions
        for flag in action.option_strings
    }
    assert set(re.findall(r"--[a-z-]+[a-z]", GUIDE)) <= known


def test_the_guide_names_each_limit() -> None:
    """As the help does."""
    limits = {flag for flag, _ in run.OPTIONS["limits"]}
    assert limits <= set(re.findall(r"--[a-z-]+[a-z]", GUIDE))
