"""Hold the sentences: one place for the words of each error, operation and setting."""
