"""Parts of proxmox_client.py: HTTPS, paths, errors and rows of the Proxmox VE API."""
