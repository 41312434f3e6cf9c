"""Judge the doctor's reads. Pure functions."""
