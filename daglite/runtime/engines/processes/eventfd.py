"""An event counter beside a worker's socket: the worker sleeps at it, and the coordinator notifies it after a send.

A process that is woken by a socket is put on the processor of the one that wrote to it, because the kernel expects the
writer to go to sleep. A coordinator does not sleep: it has other workers to feed, and would share its processor with
the worker it has woken while another processor is idle. An event counter wakes without that guess. Measured on two
processors with trivial tasks: a third less time.
"""

from __future__ import annotations

import os
import select
import socket


class EventFd:
    """The coordinator's end. The descriptor `fd` is sent to the worker, once."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    @classmethod
    def create(cls) -> EventFd | None:
        """Return a new event counter; None on systems that have none."""
        try:
            return cls(os.eventfd(0))
        except (AttributeError, OSError):
            return None

    def notify(self) -> None:
        """Wake the worker; one that is awake does not sleep the next time."""
        os.eventfd_write(self.fd, 1)

    def close(self) -> None:
        """Close the descriptor; a second call does nothing."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)


class EventFdReader:
    """The worker's end."""

    def __init__(self, fd: int, sock: socket.socket) -> None:
        self._fd = fd
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)
        # Only the end of the connection: data in the socket must not wake the worker.
        self._poll.register(sock, 0)

    def sleep(self) -> None:
        """Return when the worker has been notified since the last call, or when the coordinator is gone."""
        for fd, _ in self._poll.poll():
            if fd == self._fd:
                os.eventfd_read(fd)
