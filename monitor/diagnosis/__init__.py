"""Who is suspected of a target's incident, and whether it is our own network."""
