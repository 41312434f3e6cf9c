"""Bring a request to Proxmox and its response back: HTTPS, connections, slots, deadlines."""

# This import comes before any module of the package imports requests.
from adapters.proxmox.transport import lean_requests as lean_requests
