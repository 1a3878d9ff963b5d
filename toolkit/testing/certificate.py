"""A certificate for test servers, made once per process."""

import functools
import tempfile

from toolkit.netutil import development_certificate

#: Keeps the folder until the interpreter ends.
_FOLDERS: list["tempfile.TemporaryDirectory[str]"] = []


@functools.cache
def self_signed() -> tuple[str, str]:
    """Return the paths of a certificate and its key, valid for localhost.

    Other than those of `development_certificate` alone the files go with the process.

    Raises:
        RuntimeError: there is nothing that makes certificates.
    """
    folder = tempfile.TemporaryDirectory(prefix="toolkit-testing-")
    _FOLDERS.append(folder)
    return development_certificate(directory=folder.name)
