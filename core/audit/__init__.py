"""Record every attempt, and how it ended."""
