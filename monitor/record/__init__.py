"""The result of one probe, and its public record."""
