"""Answer /access and /help."""
