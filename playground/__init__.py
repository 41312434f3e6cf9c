"""Provide a Discord and a Proxmox cluster on loopback, and a page to play with them.

The bot imports nothing of this package. `python -m playground` starts all of it.
"""
