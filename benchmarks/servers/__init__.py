"""The measured servers: each module is one, and runs by hand with `python -m`."""
