"""Load the project's own pytest plugins for every test."""

pytest_plugins = ["tests.feature_report", "tests.loops"]
