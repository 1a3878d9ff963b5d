"""Load generators, compiled once for all tests."""

import shutil
import subprocess
from pathlib import Path

import pytest

SOURCES = Path(__file__).resolve().parent.parent


def compiled(name: str, folder: Path) -> Path:
    """Compile a load generator, or skip the test when there is no compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    program = folder / name
    source = SOURCES / f"{name.replace('-', '_')}.c"
    command = [compiler, "-O2", "-Wall", "-Wextra", "-Werror", "-o", str(program), str(source)]
    subprocess.run(command, check=True)
    return program


@pytest.fixture(scope="session")
def line_load(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The load generator of lines."""
    return compiled("line-load", tmp_path_factory.mktemp("load"))


@pytest.fixture(scope="session")
def websocket_load(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The load generator of messages."""
    return compiled("websocket-load", tmp_path_factory.mktemp("load"))


@pytest.fixture(scope="session")
def drip_load(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The one that is slow on purpose."""
    return compiled("drip-load", tmp_path_factory.mktemp("load"))
