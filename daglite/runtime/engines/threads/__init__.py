"""Workers that are threads of this process, or coroutines on one thread."""
