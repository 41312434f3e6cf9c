"""Files of the data directory other than the journal."""
