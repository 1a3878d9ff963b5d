"""The list of features is well formed, and the plugin that counts them counts right."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests import feature_report
from tests.feature_report import Claim, Outcome

# What a small project with the plugin holds. It has fewer rows than the real list, so
# that a count written into the plugin by hand would be seen.
CONFIG = """\
[pytest]
testpaths = tests
pythonpath = .
addopts = --strict-markers
filterwarnings = error
"""

FEATURES = """\
[A]
title = "Letters | first"
[A.rows]
A01 = "Text with a | bar"
A02 = "Two tests, one of which fails"
A03 = "One test, which is skipped"
A04 = "A parametrised test"
[B]
title = "Numbers"
[B.rows]
B01 = "No test at all"
B02 = "One passes, one is skipped"
B03 = "Set-up fails"
B04 = "Teardown fails"
B05 = "Fails as expected"
B06 = "Only one parameter carries the marker"
B07 = "Marked on the class"
"""

TESTS = """\
import unittest
import pytest

feature = pytest.mark.feature

@pytest.fixture
def broken_set_up():
    raise OSError("no set-up")

@pytest.fixture
def broken_teardown():
    yield
    raise OSError("no teardown")

def test_unmarked():
    raise AssertionError("must not run for the report")

@feature("A01", "A02")
def test_passes(): pass

@feature("A02")
def test_fails():
    assert 1 == 2

@feature("A03", "B02")
def test_skips():
    pytest.skip("not here")

@feature("A04")
@pytest.mark.parametrize("text", ["a", "b|c"])
def test_table(text): pass

@feature("B02")
def test_also_passes(): pass

@feature("B03")
def test_set_up(broken_set_up): pass

@feature("B04")
def test_teardown(broken_teardown): pass

@feature("B05")
@pytest.mark.xfail
def test_expected_to_fail():
    assert 1 == 2

@pytest.mark.parametrize("good", [pytest.param(True, marks=feature("B06")), False])
def test_one_parameter(good):
    assert good

@feature("B07")
class ClassTest(unittest.TestCase):
    def test_method(self): pass
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Make a folder with the plugin, a few rows and no test yet."""
    tests = tmp_path / "tests"
    (tests / "wire").mkdir(parents=True)
    (tests / "__init__.py").touch()
    (tests / "wire" / "__init__.py").touch()
    shutil.copy(feature_report.__file__, tests)
    (tests / "conftest.py").write_text('pytest_plugins = ["tests.feature_report"]\n')
    (tests / "features.toml").write_text(FEATURES)
    (tmp_path / "pytest.ini").write_text(CONFIG)
    return tmp_path


def run_pytest(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in the project as a user would, without the plugins of this environment."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=project,
        env={**ours, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "NO_COLOR": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def write_test(project: Path, text: str) -> None:
    (project / "tests" / "wire" / "test_it.py").write_text(text)


def table_rows(markdown: str) -> dict[str, tuple[str, str, str]]:
    """Read text, tests and verdict of each row back from the report."""
    rows = re.findall(r"^\| ([A-Z]\d\d) \| (.*) \| (.*) \| (.*) \|$", markdown, re.MULTILINE)
    return {row: (text, tests, verdict) for row, text, tests, verdict in rows}


def test_features_are_304_well_formed_rows_in_order() -> None:
    groups = feature_report.load_groups()
    ids = feature_report.row_ids(groups)
    assert len(ids) == 304
    assert ids == sorted(set(ids))
    for group in groups:
        assert group.title
        for row, text in group.rows.items():
            assert re.fullmatch(rf"{group.letter}\d\d", row)
            assert 8 <= len(text) <= 200, row
            assert text == text.strip(), row
            assert not text.endswith("."), row
    texts = [text for group in groups for text in group.rows.values()]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        ('feature("A01", "Z99")', "feature() names 'Z99', not in features.toml"),
        ('feature(["A01"])', "feature() names ['A01'], not in features.toml"),
        ("feature", "feature() names no row"),
        ("feature()", "feature() names no row"),
        ('feature(row="A01")', "feature() takes row ids only, not row="),
    ],
)
def test_wrong_marker_stops_the_run_and_names_the_test(
    project: Path, marker: str, message: str
) -> None:
    parametrised = '@pytest.mark.parametrize("n", [1, 2])\ndef test_wrong(n): pass\n'
    write_test(project, f"import pytest\n\n@pytest.mark.{marker}\n{parametrised}")
    # Also where the test itself is left out by -k.
    run = run_pytest(project, "-k", "nothing")
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert run.stderr.count(f"tests/wire/test_it.py::test_wrong: {message}") == 1


def test_report_gives_each_row_its_tests_and_verdict(project: Path) -> None:
    write_test(project, TESTS)
    run = run_pytest(project, "--feature-report=docs/features.md")
    assert run.returncode == pytest.ExitCode.TESTS_FAILED
    assert run.stdout.endswith("\n4 of 11 rows shown\n")
    report = (project / "docs" / "features.md").read_text(encoding="utf-8")
    assert report.startswith("# ")
    assert "`make features`" in report
    assert "4 of 11 rows shown" in report
    assert "test_unmarked" not in report

    def cells(*names: str) -> str:
        return "<br>".join(f"`tests/wire/test_it.py::{name}`" for name in names)

    assert table_rows(report) == {
        "A01": (r"Text with a \| bar", cells("test_passes"), "shown"),
        "A02": ("Two tests, one of which fails", cells("test_passes", "test_fails"), "failed"),
        "A03": ("One test, which is skipped", cells("test_skips"), "skipped"),
        "A04": ("A parametrised test", cells("test_table"), "shown"),
        "B01": ("No test at all", "", "-"),
        "B02": ("One passes, one is skipped", cells("test_skips", "test_also_passes"), "skipped"),
        "B03": ("Set-up fails", cells("test_set_up"), "failed"),
        "B04": ("Teardown fails", cells("test_teardown"), "failed"),
        "B05": ("Fails as expected", cells("test_expected_to_fail"), "skipped"),
        "B06": ("Only one parameter carries the marker", cells("test_one_parameter"), "shown"),
        "B07": ("Marked on the class", cells("ClassTest::test_method"), "shown"),
    }


def test_runs_of_different_tests_are_joined_to_one_report(project: Path) -> None:
    """Such as those that need programs of the system; the same test counts as its worst run."""
    write_test(project, TESTS)
    (project / "tests" / "wire" / "test_other.py").write_text(
        "import pytest\n\n@pytest.mark.feature('B01')\ndef test_other(): pass\n"
    )
    for name, arguments in (("own", ["-k", "not other"]), ("other", ["-k", "other or passes"])):
        run_pytest(project, f"--feature-report=build/{name}.json", *arguments)
    joined = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.feature_report",
            "all.md",
            "build/own.json",
            "build/other.json",
        ],
        cwd=project,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert joined.stdout == "5 of 11 rows shown\n"
    rows = table_rows((project / "all.md").read_text(encoding="utf-8"))
    assert rows["B01"][1:] == ("`tests/wire/test_other.py::test_other`", "shown")
    verdicts = {row: cells[2] for row, cells in rows.items()}
    assert [verdicts[row] for row in ("A01", "A02", "A03", "B02")] == [
        "shown",
        "failed",
        "skipped",
        "skipped",
    ]


def test_exit_status_is_that_of_the_marked_tests(project: Path) -> None:
    write_test(
        project,
        "import pytest\n\n@pytest.mark.feature('A01')\ndef test_good(): pass\n\n"
        "def test_bad(): raise OSError\n",
    )
    run = run_pytest(project, "--feature-report=features.md", "tests/wire", "-q")
    assert run.returncode == pytest.ExitCode.OK
    assert run.stdout.splitlines()[-1] == "1 of 11 rows shown"
    assert run_pytest(project).returncode == pytest.ExitCode.TESTS_FAILED


def test_run_without_the_option_runs_all_and_reports_nothing(project: Path) -> None:
    write_test(project, TESTS)
    run = run_pytest(project)
    assert "must not run for the report" in run.stdout
    assert "rows shown" not in run.stdout


def test_test_that_never_ran_shows_nothing(project: Path) -> None:
    write_test(
        project,
        "import pytest\n\n@pytest.mark.feature('A01')\ndef test_first(): raise OSError\n\n"
        "@pytest.mark.feature('A02')\ndef test_second(): pass\n",
    )
    run = run_pytest(project, "--feature-report=features.md", "--exitfirst")
    assert run.stdout.splitlines()[-1] == "0 of 11 rows shown"
    rows = table_rows((project / "features.md").read_text(encoding="utf-8"))
    assert (rows["A01"][2], rows["A02"][2]) == ("failed", "skipped")


@pytest.mark.parametrize(
    ("text", "argument"),
    [
        ("import no_such_module\n", "-q"),
        ("def test_stop(): raise KeyboardInterrupt\n", "-q"),
        ("def test_listed_only(): pass\n", "--collect-only"),
    ],
)
def test_run_that_broke_off_leaves_the_old_report(project: Path, text: str, argument: str) -> None:
    write_test(project, f"import pytest\npytestmark = pytest.mark.feature('A01')\n{text}")
    report = project / "features.md"
    report.write_text("old")
    run = run_pytest(project, f"--feature-report={report}", argument)
    assert report.read_text() == "old"
    assert run.stdout.splitlines()[-1] == "0 of 11 rows shown"


@pytest.mark.parametrize(
    ("tests", "expected"),
    [
        ({}, "-"),
        ({"a": "passed"}, "shown"),
        ({"a": "passed", "b": "skipped"}, "skipped"),
        ({"a": "skipped"}, "skipped"),
        ({"a": "failed", "b": "skipped", "c": "passed"}, "failed"),
    ],
)
def test_row_stands_as_its_worst_test(tests: Mapping[str, Outcome], expected: str) -> None:
    assert feature_report.verdict(tests) == expected


def test_parametrised_test_counts_once_as_its_worst_parameter() -> None:
    claims = [Claim(f"test[{n}]", "test", ("A01",)) for n in range(3)]
    rows = feature_report.tally(
        claims, {"test[0]": "passed", "test[1]": "failed", "test[2]": "passed"}
    )
    assert rows == {"A01": {"test": "failed"}}
