"""Show the list of guests: its filters and its pages, for one site and for several."""
