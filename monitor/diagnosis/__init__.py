"""The suspects of a target's incident, and whether the monitor's own network failed."""
