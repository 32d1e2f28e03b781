"""The metrics sink and its exposition."""
