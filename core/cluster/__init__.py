"""Read the cluster once for everybody, and ask about its storages beyond that."""
