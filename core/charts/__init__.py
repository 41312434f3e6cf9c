"""Turn the past usage of a guest or node into a chart. Pure functions, except the waiting for pictures."""
