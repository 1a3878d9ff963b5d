"""A worker: ``python -m toolkit.runner DESCRIPTOR``, which only a supervisor calls."""

import sys

from toolkit.runner.child import work

if __name__ == "__main__":
    sys.exit(work(int(sys.argv[1])))
