"""What a stream says, without I/O: events, framings, the recording of one stream."""
