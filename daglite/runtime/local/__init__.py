"""Streams that run in the coordinator process, without workers."""
