"""``python -m toolkit.testing package.module``: runs tests."""

from toolkit.testing.runner import main

if __name__ == "__main__":
    main()
