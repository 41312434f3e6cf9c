"""Read and complete the options of commands."""
