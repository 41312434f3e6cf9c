"""Show alerts, the answers to /monitor, and the state of the watch."""
