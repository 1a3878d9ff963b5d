"""``python -m toolkit.httpclient URL...``: the program ``toolkit fetch``."""

import sys

from toolkit.httpclient.program import main

if __name__ == "__main__":
    sys.exit(main())
