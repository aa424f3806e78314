"""Run streams in this process, without workers, and move them to workers when that is faster."""
