"""Show lists, panels, plans and outcomes of guests."""
