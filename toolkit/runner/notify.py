"""What systemd is told, and what it gives: sd_notify(3) and sd_listen_fds(3)."""

import os
import socket
import time

#: The first descriptor that is handed over.
FIRST_FD = 3


class Notifier:
    """Tells the service manager how the service is; without one it does nothing.

    Attributes:
        interval: seconds between two signs of life that it wants; 0 for none.
    """

    def __init__(self) -> None:
        self._address = os.environ.pop("NOTIFY_SOCKET", "")
        interval = os.environ.pop("WATCHDOG_USEC", "")
        pid = os.environ.pop("WATCHDOG_PID", "")
        wanted = interval.isdecimal() and pid in ("", str(os.getpid()))
        self.interval = int(interval) / 2e6 if wanted and self._address else 0.0

    def ready(self, status: str = "") -> None:
        """Say that the service is ready, after the start or a reload."""
        self._send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """Say that the service reloads; `ready` ends it."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Say that the service ends."""
        self._send("STOPPING=1", "STATUS=draining")

    def alive(self) -> None:
        """Give a sign of life, where one is wanted."""
        if self.interval:
            self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        # A name that begins with @ stands for an abstract socket.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.sendto("\n".join(lines).encode(), address)
        except OSError:
            pass  # a manager that is gone has nobody to be told


def activated() -> list[int]:
    """Return the descriptors of listening sockets that systemd hands over, and forget them.

    They are no business of any process that this one starts.
    """
    pid = os.environ.pop("LISTEN_PID", "")
    count = os.environ.pop("LISTEN_FDS", "")
    os.environ.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or not count.isdecimal():
        return []
    return list(range(FIRST_FD, FIRST_FD + int(count)))
