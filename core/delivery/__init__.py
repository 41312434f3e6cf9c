"""Send messages to Discord's channels: each at least once, and in order."""
