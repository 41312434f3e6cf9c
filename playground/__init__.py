"""The embedded default: a Discord and a Proxmox cluster on loopback, and a page to play with them.

Nothing of the bot imports this package. `python -m playground` starts all of it.
"""
