"""Incidents from observations: pure rules, without clock, network or disk."""
