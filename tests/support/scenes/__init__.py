"""Provide people for a running bot, collect all that they are shown, and walk tables on one bot."""
