"""Speak the Proxmox VE API for proxmox_client.py and the health check: HTTPS, paths, errors and rows."""
