"""Each program in the documentation runs as it stands, and prints what is said there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.demos.process import ENVIRONMENT, ROOT, TIMEOUT

#: A program, and what it prints if the next block is that.
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.DOTALL | re.MULTILINE)


def programs(name: str) -> list[object]:
    """Return the programs of a page with what they print, and the line as their name."""
    page = (ROOT / "docs" / name).read_text("utf-8")
    return [
        pytest.param(match[1], match[2], id=f"{name}:{page.count(chr(10), 0, match.start()) + 1}")
        for match in BLOCK.finditer(page)
    ]


PAGES = (
    "asgi.md",
    "http-client.md",
    "http-server.md",
    "streams.md",
    "templates.md",
    "web.md",
    "websocket.md",
)


@pytest.mark.feature("W02")
@pytest.mark.parametrize(
    ("program", "output"), [program for page in PAGES for program in programs(page)]
)
def test_a_program_of_a_guide_does_what_the_guide_says(
    program: str, output: str | None, tmp_path: Path
) -> None:
    """It ends by itself, cleanly, and warns of nothing."""
    file = tmp_path / "program.py"
    file.write_text(program, "utf-8")
    done = subprocess.run(
        [sys.executable, str(file)],
        cwd=tmp_path,
        env=ENVIRONMENT | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert output is not None, "the guide does not say what it prints"
    assert done.stdout == output
