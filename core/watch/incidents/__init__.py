"""Turn observations into incidents: pure rules, without clock, network or disk."""
