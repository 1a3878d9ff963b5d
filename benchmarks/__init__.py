"""Measure what one request costs `toolkit` and its peers in CPU time."""
