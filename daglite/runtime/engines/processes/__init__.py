"""Worker processes: started, fed, woken, watched, replaced and ended."""
