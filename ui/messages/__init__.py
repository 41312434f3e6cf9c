"""Sentences: one place for the words of each error, operation and setting."""
