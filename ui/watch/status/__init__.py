"""Show how the watch itself is doing: reading, delivery, journal, heartbeat and mutes."""
