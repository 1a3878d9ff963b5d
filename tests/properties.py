"""How many examples a property has to hold for."""

from hypothesis import settings

#: `--hypothesis-profile=long`: for `make fuzz`, where there is time.
settings.register_profile("long", max_examples=10_000)


def examples(usual: int) -> int:
    """Return how many examples to try: as many as are usual, or more where more are asked for."""
    return max(usual, settings.default.max_examples)  # type: ignore[union-attr]  # there is one
