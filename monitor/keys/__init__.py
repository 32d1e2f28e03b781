"""What a key of the config can hold: types with their units, bounds and checks, for the fields that declare keys."""
