"""Lists, panels, plans and outcomes of guests."""
