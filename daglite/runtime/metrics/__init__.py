"""Reports of a run to its observers; loaded only when there are any."""
