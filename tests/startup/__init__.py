"""Test the first run (`bot.py --init`)."""
