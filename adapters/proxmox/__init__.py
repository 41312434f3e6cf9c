"""Parts of proxmox_client.py: HTTPS, paths, errors and rows of the Proxmox VE API."""

from adapters.proxmox import (
    lean_requests as lean_requests,
)  # before a module of this package imports requests
