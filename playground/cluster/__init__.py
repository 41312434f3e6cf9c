"""The cluster of the demo, and its life."""
