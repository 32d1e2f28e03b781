"""The types of config keys, with their units, bounds and checks, for the fields that declare keys."""
