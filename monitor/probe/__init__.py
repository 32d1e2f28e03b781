"""One probe: what to ask, asking once, what it came to."""
