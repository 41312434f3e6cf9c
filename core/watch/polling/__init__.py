"""Read what the watch needs to know from Proxmox, a little per poll, and never for long."""
