"""Read what the watch needs to know from Proxmox, a little per poll, so that no poll takes long."""
