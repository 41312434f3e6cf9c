"""Show how the bot is to programs: /healthz and /metrics."""
