"""Bring a request to Proxmox and its response back: HTTPS, connections, slots, deadlines."""

from adapters.proxmox.transport import (
    lean_requests as lean_requests,
)  # before a module of this package imports requests
