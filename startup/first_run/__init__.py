"""Ask for the settings step by step (`bot.py --init`), test each answer, and write config.py."""
