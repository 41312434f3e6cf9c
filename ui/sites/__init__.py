"""Choose among several sites, and show what is of each."""
