"""chat-monitor: synthetic streaming chats, measured chunk by chunk, every truncation named."""

__version__ = "0.1.0"
