"""Tests of the first run (`bot.py --init`)."""
