"""Judge what the doctor has read. Pure functions."""
