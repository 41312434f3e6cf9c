"""Read and write the files of the data directory other than the journal."""
