"""Tests of the roof: what only tests, a terminal or a migration want."""
