"""Files without blocking the loop: opened, read, iterated, and atomically written in threads.

Example::

    async with files.open("access.log") as file:
        async for line in file:
            ...

    async with files.atomic_write("state.json") as file:
        await file.write(json.dumps(state))

All that waits for a disk runs in threads of this module, which are made on first use. Each
function takes an `executor` for those that want others; `LOOP_EXECUTOR` stands for the default
one of the loop.
"""

from toolkit.files.atomic import atomic_write
from toolkit.files.file import LINES_AHEAD, BinaryFile, File, TextFile
from toolkit.files.opening import Opening, open
from toolkit.files.paths import (
    exists,
    listdir,
    makedirs,
    read_bytes,
    read_text,
    remove,
    replace,
    stat,
    write_bytes,
    write_text,
)
from toolkit.files.threads import LOOP_EXECUTOR

__all__ = [
    "LINES_AHEAD",
    "LOOP_EXECUTOR",
    "BinaryFile",
    "File",
    "Opening",
    "TextFile",
    "atomic_write",
    "exists",
    "listdir",
    "makedirs",
    "open",
    "read_bytes",
    "read_text",
    "remove",
    "replace",
    "stat",
    "write_bytes",
    "write_text",
]
