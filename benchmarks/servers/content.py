"""What the frameworks answer with: the same for all of them."""

from pathlib import Path

PAGES = Path(__file__).resolve().parent / "pages"
"""Templates: `table.html` for Jinja2, `table.tornado.html` in Tornado's language."""

TITLE = "Fortunes & more"
ROWS = [{"id": number, "text": f"<b>fortune</b> number {number} & 'so' on"} for number in range(12)]
"""What the page shows; each text has something to escape."""

FILES = Path(__file__).resolve().parent.parent / ".files"
FILE = bytes(range(256)) * 256
"""Content of `large.bin` in `FILES`: 64 KiB."""

PIECE, PIECES = b"x" * 1024, 64
"""What a stream is made of."""

MAX_UPLOAD = 4 * 1024 * 1024


def make_files() -> str:
    """Make the directory of static files, if it is not there, and return its path."""
    FILES.mkdir(exist_ok=True)
    path = FILES / "large.bin"
    if not path.exists() or path.read_bytes() != FILE:
        path.write_bytes(FILE)
    return str(FILES)
