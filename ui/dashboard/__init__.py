"""Show dashboards: messages that keep themselves up to date, and the bot's presence."""
