"""Judge the health check's reads. Pure functions."""
