"""What several probes, together, point at."""
