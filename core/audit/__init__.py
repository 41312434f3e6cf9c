"""The trail of what was attempted, and how it ended."""
