"""Tools for developers; the bot never runs them."""
