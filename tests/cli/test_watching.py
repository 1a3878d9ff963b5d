"""Changes of files are found."""

import asyncio
from pathlib import Path

import pytest

from toolkit.runner import watching

pytestmark = [
    pytest.mark.feature("R02"),
    pytest.mark.asyncio(loop_factories=["asyncio"]),
]


@pytest.fixture(params=["looking", "watchfiles"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have changes found in each of two ways."""
    monkeypatch.setattr(watching, "INTERVAL", 0.01)
    if request.param == "watchfiles":
        pytest.importorskip("watchfiles")
    else:
        monkeypatch.setattr(watching.importlib.util, "find_spec", lambda name: None)


async def test_files_of_a_pattern_are_told_when_they_change(way: None, tmp_path: Path) -> None:
    """Not others, nor those in directories that are passed over."""
    for name in ("a.py", "b.txt", ".git/c.py", "node_modules/d.py", "deep/e.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("old")
    found = watching.changes([str(tmp_path)], ["*.py"])
    next_one = asyncio.ensure_future(anext(found))
    for turn in range(10_000):
        for name in ("b.txt", ".git/c.py", "node_modules/d.py"):
            (tmp_path / name).write_text("x" * turn)
        # It is not known when the watching has begun.
        (tmp_path / "deep/e.py").write_text("x" * turn)
        done, _ = await asyncio.wait([next_one], timeout=0.05)
        if done:
            break
    assert next_one.result() == str(tmp_path / "deep/e.py")
    await found.aclose()


async def test_a_file_that_comes_or_goes_is_a_change(tmp_path: Path) -> None:
    """And one that is not there while it is looked at is none."""
    before = watching._states([str(tmp_path)], ["*.py"])
    (tmp_path / "new.py").touch()
    (tmp_path / "lost.py").symlink_to("nowhere")
    after = watching._states([str(tmp_path)], ["*.py"])
    assert before == {}
    assert list(after) == [str(tmp_path / "new.py")]
