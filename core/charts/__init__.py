"""Turn the past usage of a guest or node into a chart. Pure functions, except for the queue for pictures."""
