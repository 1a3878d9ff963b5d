"""Large files go in and out by curl, and the server holds little of them."""

import os
import re
from pathlib import Path

import pytest

from tests.demos.process import serving
from tests.demos.test_files import Visitor
from tests.system.programs import run

pytestmark = pytest.mark.system

MEBIBYTE = 1024 * 1024
SIZE = 128 * MEBIBYTE
#: The most that the server may ever hold; it begins with some 36.
MOST = 64 * MEBIBYTE


def test_a_large_file_goes_in_and_out_in_little_memory(tmp_path: Path) -> None:
    source, back = tmp_path / "source", tmp_path / "back"
    source.touch()
    os.truncate(source, SIZE)
    with serving("files", f"--directory={tmp_path / 'kept'}") as demo:
        visitor = Visitor(demo)
        url = demo.url.rstrip("/")
        form = ("-H", f"Cookie: {visitor.cookie}", "-F", f"file=@{source}")
        sent = run("curl", "-sf", "-o", "/dev/null", *form, url + visitor.action)
        assert sent.status == 0
        fetched = run("curl", "-sf", "-o", str(back), f"{url}/files/source")
        assert fetched.status == 0
        status = Path(f"/proc/{demo.pid}/status").read_text()
    assert back.stat().st_size == SIZE
    peak = re.search(r"VmHWM:\s+([0-9]+) kB", status)
    assert peak
    assert int(peak[1]) * 1024 < MOST
