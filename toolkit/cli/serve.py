"""``toolkit serve``: the files of a directory."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from toolkit.cli import reading
from toolkit.cli.run import told
from toolkit.runner import RunnerError, Settings, run
from toolkit.web import Application, StaticFileHandler


def main(arguments: Sequence[str]) -> int:
    """Run the subcommand; return the exit status."""
    parsed = parser().parse_args(arguments)

    def act() -> int:
        application = files(parsed.directory, parsed.index, parsed.spa, not parsed.no_listing)
        settings = Settings(
            "",
            host=parsed.host,
            port=parsed.port,
            certfile=parsed.certfile,
            keyfile=parsed.keyfile,
            access_log=parsed.access_log,
            graceful_timeout=parsed.graceful_timeout,
        )
        return run(settings, application)

    return told(act)


def files(directory: str, index: str, spa: bool, listing: bool) -> Application:
    """Return an application that serves a directory.

    Args:
        index: name of the file that stands for a directory.
        spa: whether it is served for paths without a file too, to browsers that go to a page.
        listing: whether a directory without it is listed.
    Raises:
        RunnerError: there is no such directory.
    """
    path = Path(directory)
    if not path.is_dir():
        raise RunnerError(f"{directory!r} is no directory")
    if spa and not (path / index).is_file():
        raise RunnerError(f"{str(path / index)!r}, which --spa serves, is not there")
    kwargs = {
        "path": str(path.resolve()),
        "default_filename": index,
        "listing": listing and not spa,
        "precompressed": True,
        **({"fallback": index} if spa else {}),
    }
    return Application([(r"/(.*)", StaticFileHandler, kwargs)])


def parser() -> argparse.ArgumentParser:
    """Return what reads the arguments."""
    parser = argparse.ArgumentParser("toolkit serve", description="Serve the files of a directory.")
    add = parser.add_argument
    add("directory", nargs="?", default=".", metavar="DIR", help="the current one unless given")
    add("--host", default="127.0.0.1", help="127.0.0.1; an empty one for all interfaces")
    add("--port", type=reading.port, default=8000, help="8000; 0 for any that is free")
    add("--index", default="index.html", metavar="NAME", help="stands for a directory")
    add("--spa", action="store_true", help="serve it for pages that have no file, too")
    add("--no-listing", action="store_true", help="list no directories")
    add("--certfile", default="", metavar="FILE", help="serve https with this certificate")
    add("--keyfile", default="", metavar="FILE", help="its key")
    add("--access-log", default="common", metavar="FORMAT", help="common, combined, json, off")
    add("--graceful-timeout", type=reading.amount, default=5.0, metavar="N",
        help="seconds that requests get to end, 5")  # fmt: skip
    return parser
