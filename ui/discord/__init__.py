"""Discord's own limits and faults, and how a message gets past them."""
