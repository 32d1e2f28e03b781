"""The verdict on one probe, without I/O."""
