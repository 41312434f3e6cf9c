"""Show the state of whole clusters."""
