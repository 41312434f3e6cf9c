"""From the command line to a connected bot."""
