"""Tests of the harness: `pytest benchmarks/tests`."""
