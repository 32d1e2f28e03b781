"""What one probe came to, and its public record."""
