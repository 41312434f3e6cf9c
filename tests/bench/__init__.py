"""Measure the bot as a real process between the playground's servers: `make bench`."""
