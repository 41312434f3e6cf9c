"""Speak the Proxmox VE API for proxmox_client.py: HTTPS, paths, errors and rows."""
