"""Check the whole setup, for `bot.py --check` and /health: read, judge with `core.health`, and print."""
