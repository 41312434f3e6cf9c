"""Serve the cluster over HTTPS, as pveproxy and other proxies do."""
