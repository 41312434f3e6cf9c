"""Check a setup from the command line (`bot.py --check`): read, judge with `core.health`, and print."""
