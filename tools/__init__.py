"""What a developer runs, and the bot never."""
