"""Show the list of guests: its filters, its pages, and the same over several sites."""
