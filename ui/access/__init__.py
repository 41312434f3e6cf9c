"""/access and /help."""
