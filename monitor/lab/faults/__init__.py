"""The ways to answer, in groups: a row of the table and its script stand together."""
