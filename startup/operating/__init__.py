"""Report the bot's health to other programs: /healthz and /metrics."""
