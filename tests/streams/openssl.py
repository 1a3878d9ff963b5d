"""A client by OpenSSL itself, for what `ssl` keeps from its users: key updates, renegotiation."""

import _ssl
import ctypes
from typing import Any

import pytest

#: BIO_ctrl's number for how many bytes wait to be read (bio.h).
_BIO_CTRL_PENDING = 10
_WANT_READ = 2


def library() -> ctypes.CDLL:
    """Return the library that `ssl` uses.

    Raises:
        pytest.skip.Exception: it is part of the interpreter, and cannot be reached.
    """
    found = ctypes.CDLL(_ssl.__file__)
    if not hasattr(found, "SSL_key_update"):
        pytest.skip("this Python's OpenSSL cannot be reached")
    for name in ("TLS_client_method", "BIO_s_mem", "BIO_new", "SSL_CTX_new", "SSL_new"):
        getattr(found, name).restype = ctypes.c_void_p
    found.SSL_CTX_ctrl.restype = ctypes.c_long
    found.BIO_ctrl.restype = ctypes.c_long
    return found


class OpenSSLClient:
    """A client that verifies nothing, between two buffers.

    Args:
        version: of TLS, as it is on the wire, such as 0x0304.
    """

    def __init__(self, version: int) -> None:
        self._library = lib = library()
        pointer = ctypes.c_void_p
        context = pointer(lib.SSL_CTX_new(pointer(lib.TLS_client_method())))
        # SSL_CTRL_SET_MIN_PROTO_VERSION, SSL_CTRL_SET_MAX_PROTO_VERSION
        for what in (123, 124):
            lib.SSL_CTX_ctrl(context, what, ctypes.c_long(version), None)
        self._ssl = pointer(lib.SSL_new(context))
        lib.SSL_CTX_free(context)
        self._incoming = pointer(lib.BIO_new(pointer(lib.BIO_s_mem())))
        self._outgoing = pointer(lib.BIO_new(pointer(lib.BIO_s_mem())))
        lib.SSL_set_bio(self._ssl, self._incoming, self._outgoing)
        lib.SSL_set_connect_state(self._ssl)

    def free(self) -> None:
        """Give back all memory."""
        self._library.SSL_free(self._ssl)

    def feed(self, data: bytes) -> None:
        """Take what the server has sent."""
        assert self._library.BIO_write(self._incoming, data, len(data)) == len(data)

    def sent(self) -> bytes:
        """Return what is to be sent to the server."""
        size = self._library.BIO_ctrl(self._outgoing, _BIO_CTRL_PENDING, ctypes.c_long(0), None)
        buffer = ctypes.create_string_buffer(max(size, 1))
        got = self._library.BIO_read(self._outgoing, buffer, size) if size else 0
        return buffer.raw[:got]

    def shake(self) -> bool:
        """Go on with a handshake; say whether it is done.

        Raises:
            ConnectionError: it failed.
        """
        return self._done(self._library.SSL_do_handshake(self._ssl))

    def write(self, data: bytes) -> None:
        """Encrypt bytes."""
        assert self._library.SSL_write(self._ssl, data, len(data)) == len(data)

    def read(self, size: int = 65536) -> bytes:
        """Return what can be decrypted, if there is anything.

        Raises:
            ConnectionError: the server has ended the connection.
        """
        buffer: Any = ctypes.create_string_buffer(size)
        got = self._library.SSL_read(self._ssl, buffer, size)
        return buffer.raw[:got] if self._done(got) else b""

    def key_update(self) -> None:
        """Change the own key, and ask the server to change its own (RFC 8446 §4.6.3)."""
        assert self._library.SSL_key_update(self._ssl, 1) == 1
        assert self.shake()

    def renegotiate(self) -> None:
        """Begin a second handshake (RFC 5246 §7.4.1.1)."""
        assert self._library.SSL_renegotiate(self._ssl) == 1
        self.shake()

    def _done(self, result: int) -> bool:
        if result > 0:
            return True
        error = self._library.SSL_get_error(self._ssl, result)
        self._library.ERR_clear_error()
        if error != _WANT_READ:
            raise ConnectionError(f"OpenSSL error {error}")
        return False
