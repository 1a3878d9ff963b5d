"""The program ``toolkit`` finds its subcommands."""

import re
import subprocess
import sys
from collections.abc import Sequence

import pytest

from tests.house.modules import ROOT
from toolkit import __version__
from toolkit.cli import COMMANDS, Command, main
from toolkit.util import import_object


def greet(arguments: Sequence[str]) -> int:
    """Stand for a subcommand."""
    print("hello", *arguments)
    return 7


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the program know one command."""
    command = Command("tests.roof.test_cli.greet", "says hello")
    monkeypatch.setitem(COMMANDS, "greet", command)


def test_a_command_gets_the_rest_of_the_line(
    commands: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it returns is the exit code."""
    assert main(["greet", "--help", "you"]) == 7
    assert capsys.readouterr().out == "hello --help you\n"


@pytest.mark.parametrize("arguments", [[], ["-h"], ["--help"]])
def test_help_lists_the_commands(
    arguments: list[str], commands: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a command as well."""
    assert main(arguments) == 0
    assert re.search("  greet +says hello\n", capsys.readouterr().out)


def test_an_unknown_command_is_an_error(commands: None, capsys: pytest.CaptureFixture[str]) -> None:
    """It says what there is, where errors are said."""
    assert main(["great"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "unknown command 'great'" in err
    assert "greet" in err


def test_each_command_is_there() -> None:
    """No name in the table leads nowhere."""
    assert all(callable(import_object(command.function)) for command in COMMANDS.values())


def test_the_package_runs_as_a_program() -> None:
    """``python -m toolkit`` is the program."""
    done = subprocess.run(
        [sys.executable, "-m", "toolkit", "--version"], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, f"toolkit {__version__}\n")
