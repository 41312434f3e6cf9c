"""Reach everything outside the process: Proxmox, the disk, the settings, the outside monitor, the log."""
