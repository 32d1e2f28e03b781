"""Streams without I/O: events, framings, and the recording of one stream."""
