"""Bytes between processes: frames on sockets, shared memory, forwarded log records."""
