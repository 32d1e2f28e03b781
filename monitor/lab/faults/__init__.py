"""The faults in groups, each row of the table next to its script."""
