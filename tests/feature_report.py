"""A pytest plugin that counts which rows of features.toml the tests show.

A test names the rows that it shows: `@pytest.mark.feature("B01", "B02")`. With
`--feature-report=PATH` only such tests run, and PATH tells in Markdown how each row stands, or
as JSON where its name ends so. What several runs of different tests have written as JSON is
joined to one report by `python -m tests.feature_report REPORT.md RUN.json ...`.
"""

import json
import sys
import tomllib
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

FEATURES = Path(__file__).with_name("features.toml")

Outcome = Literal["passed", "skipped", "failed"]
Verdict = Literal["shown", "skipped", "failed", "-"]

# From best to worst: a row stands as its worst test does, a test as its worst phase or parameter.
_RANKS: tuple[Outcome, ...] = ("passed", "skipped", "failed")
_VERDICTS: dict[Outcome, Verdict] = {"passed": "shown", "skipped": "skipped", "failed": "failed"}


@dataclass(frozen=True)
class Group:
    """Rows that belong together: the letter and title of the group, and its texts by row id."""

    letter: str
    title: str
    rows: Mapping[str, str]


@dataclass(frozen=True)
class Claim:
    """A collected test that says which rows it shows.

    Attributes:
        item: node id with parameters, as its reports carry it.
        test: node id without parameters, as the table prints it.
        rows: ids of the rows.
    """

    item: str
    test: str
    rows: tuple[str, ...]


Tally = Mapping[str, Mapping[str, Outcome]]


def load_groups(path: Path = FEATURES) -> list[Group]:
    """Read the groups of rows from a TOML file, in its order.

    Raises:
        KeyError: a group lacks its title or its rows.
        tomllib.TOMLDecodeError: the file is not TOML, or names a row twice.
    """
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    return [Group(letter, table["title"], table["rows"]) for letter, table in tables.items()]


def row_ids(groups: Iterable[Group]) -> list[str]:
    """List the ids of all rows, in the order of the file."""
    return [row for group in groups for row in group.rows]


def mark_fault(mark: pytest.Mark, known: Container[str]) -> str | None:
    """Say what is wrong with one `feature` marker, or None where nothing is."""
    if mark.kwargs:
        return f"feature() takes row ids only, not {', '.join(mark.kwargs)}="
    if not mark.args:
        return "feature() names no row; it needs one id or more"
    # What is no string may not be hashable either.
    unknown = [repr(row) for row in mark.args if not isinstance(row, str) or row not in known]
    if unknown:
        return f"feature() names {', '.join(unknown)}, not in {FEATURES.name}"
    return None


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Pick the worst outcome of at least one."""
    return max(outcomes, key=_RANKS.index)


def tally(claims: Iterable[Claim], outcomes: Mapping[str, Outcome]) -> Tally:
    """Sort outcomes by row, and there by test.

    Args:
        claims: the tests that were to run.
        outcomes: by node id with parameters. A test that is absent never ran, because the run was
            cut short, and counts as skipped: it has shown nothing.
    """
    rows: dict[str, dict[str, Outcome]] = {}
    for claim in claims:
        outcome = outcomes.get(claim.item, "skipped")
        for row in claim.rows:
            tests = rows.setdefault(row, {})
            tests[claim.test] = worst((outcome, tests.get(claim.test, "passed")))
    return rows


def join(tallies: Iterable[Tally]) -> Tally:
    """Put together what several runs have shown."""
    rows: dict[str, dict[str, Outcome]] = {}
    for one in tallies:
        for row, outcomes in one.items():
            tests = rows.setdefault(row, {})
            for test, outcome in outcomes.items():
                tests[test] = worst((outcome, tests.get(test, "passed")))
    return rows


def verdict(tests: Mapping[str, Outcome]) -> Verdict:
    """Judge one row by the outcomes of its tests: `-` when it has none."""
    return _VERDICTS[worst(tests.values())] if tests else "-"


def count_line(groups: Iterable[Group], rows: Tally) -> str:
    """Say how many rows are shown, of how many."""
    ids = row_ids(groups)
    shown = sum(verdict(rows.get(row, {})) == "shown" for row in ids)
    return f"{shown} of {len(ids)} rows shown"


def _cell(text: str) -> str:
    # A bare bar would end the cell, in code spans too.
    return text.replace("|", "\\|")


def _table(group: Group, rows: Tally) -> Iterator[str]:
    yield f"## {group.letter}. {group.title}"
    yield ""
    yield "| row | feature | tests | verdict |"
    yield "|---|---|---|---|"
    for row, text in group.rows.items():
        tests = rows.get(row, {})
        names = "<br>".join(f"`{_cell(test)}`" for test in tests)
        yield f"| {row} | {_cell(text)} | {names} | {verdict(tests)} |"
    yield ""


def render(groups: list[Group], rows: Tally) -> str:
    """Write the whole report as Markdown."""
    lines = [
        "# Features and the tests that show them",
        "",
        "Made by `make features`: do not edit it, run that again. The rows are those of",
        f"`tests/{FEATURES.name}`; a test shows a row by the marker `feature`.",
        "",
        "- `shown`: the row has a test, and all its tests passed",
        "- `failed`: a test of the row failed",
        "- `skipped`: a test of the row was skipped or did not run, and none failed",
        "- `-`: the row has no test yet",
        "",
        f"**{count_line(groups, rows)}**",
        "",
    ]
    for group in groups:
        lines.extend(_table(group, rows))
    return "\n".join(lines)


def write(path: Path, groups: list[Group], rows: Tally) -> None:
    """Write a report, as JSON or as Markdown by the name of the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(rows, indent=1) if path.suffix == ".json" else render(groups, rows)
    path.write_text(text, encoding="utf-8")


def main(report: str, *runs: str) -> None:
    """Join what runs have written as JSON to one report, and print the count."""
    groups = load_groups()
    rows = join(json.loads(Path(run).read_text(encoding="utf-8")) for run in runs)
    write(Path(report), groups, rows)
    print(count_line(groups, rows))


def _test_name(item: pytest.Item) -> str:
    # Cutting at the first "[" would also cut a folder whose name holds one.
    plain = getattr(item, "originalname", None) or item.name
    return item.nodeid.removesuffix(item.name) + plain


def _claim(item: pytest.Item) -> Claim:
    marked = (row for mark in item.iter_markers("feature") for row in mark.args)
    return Claim(item.nodeid, _test_name(item), tuple(dict.fromkeys(marked)))


class FeatureReport:
    """The part of the plugin that works when a report is asked for."""

    def __init__(self, groups: list[Group], path: Path) -> None:
        self._groups = groups
        self._path = path
        self._claims: list[Claim] = []
        self._outcomes: dict[str, Outcome] = {}
        self._session_began = False

    def pytest_sessionstart(self) -> None:
        """Note that there is something to count; `--help` and its like never come here."""
        self._session_began = True

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Leave only the tests that carry the marker."""
        others = [item for item in items if item.get_closest_marker("feature") is None]
        items[:] = [item for item in items if item.get_closest_marker("feature") is not None]
        if others:
            config.hook.pytest_deselected(items=others)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note the tests that are going to run, after `-k` and `-m` had their say."""
        self._claims = [_claim(item) for item in session.items]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the worst outcome of a test's phases."""
        # A set-up that passed says nothing yet: the test itself may never start.
        if report.when == "setup" and report.passed:
            return
        before = self._outcomes.get(report.nodeid, "passed")
        self._outcomes[report.nodeid] = worst((before, report.outcome))

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write the report, unless no tests ran or the run broke off: it would be of no worth."""
        ran = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)
        if exitstatus in ran and not session.config.getoption("collectonly"):
            write(self._path, self._groups, tally(self._claims, self._outcomes))

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        """Print the count, here because the terminal's summary comes after the session's end."""
        if self._session_began:
            print(count_line(self._groups, tally(self._claims, self._outcomes)), flush=True)


_GROUPS = pytest.StashKey[list[Group]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that asks for the report."""
    parser.addoption(
        "--feature-report",
        type=Path,
        metavar="PATH",
        help="run only the tests marked with feature(...) and write to PATH how each row stands, "
        "as JSON where PATH ends in .json",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker and, when a report is asked for, the plugin that makes it."""
    config.addinivalue_line(
        "markers", f"feature(*ids): the test shows these rows of tests/{FEATURES.name}"
    )
    groups = load_groups()
    config.stash[_GROUPS] = groups
    path = config.getoption("feature_report")
    if path is not None:
        config.pluginmanager.register(FeatureReport(groups, path), "feature-report")


# First, so that a wrong marker is also found on a test that `-k` or `-m` would leave out.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Stop the run when a marker names no row, or one that does not exist."""
    groups = config.stash[_GROUPS]
    known = set(row_ids(groups))
    faults = [
        f"{_test_name(item)}: {fault}"
        for item in items
        for mark in item.iter_markers("feature")
        if (fault := mark_fault(mark, known)) is not None
    ]
    if faults:
        # A parametrised test is many items, but has its marker, and so its fault, once.
        raise pytest.UsageError("\n".join(dict.fromkeys(faults)))


if __name__ == "__main__":
    main(*sys.argv[1:])
