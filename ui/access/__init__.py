"""Answer /access, /help, /health and /readonly."""
