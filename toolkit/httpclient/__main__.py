"""``python -m toolkit.httpclient URL...``: fetches URLs and prints what comes."""

from toolkit.httpclient.program import main

if __name__ == "__main__":
    main()
