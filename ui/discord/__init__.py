"""Handle Discord's limits and faults."""
