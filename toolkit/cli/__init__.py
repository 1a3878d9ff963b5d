"""The program ``toolkit``, whose subcommands are `COMMANDS`; also ``python -m toolkit``."""

from toolkit.cli.main import COMMANDS, Command, main

__all__ = ["COMMANDS", "Command", "main"]
