"""One probe: its request, its run, and its result."""
