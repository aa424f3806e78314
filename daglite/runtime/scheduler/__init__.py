"""The scheduler runs a plan: which stage may start, what it shares with the others, how each stream is built."""
