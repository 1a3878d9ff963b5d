"""Tests of the program ``toolkit`` and of what it runs."""
