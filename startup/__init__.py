"""Start the bot: from the command line to a connection with Discord."""
