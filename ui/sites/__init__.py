"""Choose among several sites, and show the parts of each."""
