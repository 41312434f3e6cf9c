"""Simulate the Proxmox VE API over HTTPS, with the faults of real clusters."""
