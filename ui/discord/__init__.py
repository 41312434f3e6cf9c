"""Handle Discord's limits and faults, and find out who and what is in the guild."""
