"""Nodes, storages and high availability, beyond what one read of the cluster shows."""
