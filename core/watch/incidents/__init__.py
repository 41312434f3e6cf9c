"""Turn observations into incidents: pure rules, without clock, network or disk.

Only `BackupPoller` in backups.py asks Proxmox.
"""
