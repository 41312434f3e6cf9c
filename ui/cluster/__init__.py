"""Show the state of whole clusters, and their nodes and storages."""
