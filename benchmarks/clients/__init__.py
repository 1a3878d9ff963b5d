"""HTTP clients that fetch one URL again and again; `load.py` is what they have in common."""
