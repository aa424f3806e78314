"""What observers are told about a run; loaded only when a run has observers."""
