"""Help developers. The bot never runs this package."""
