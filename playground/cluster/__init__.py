"""Run the demo's Proxmox cluster, and let things happen in it."""
