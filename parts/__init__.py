"""Parts of the files at the top, one row of names each: proxmox_* of proxmox_client.py, journal_* of journal.py,
setting_* of settings.py, and watch_list_format.py of monitor_store.py. Nobody else may know them.
"""
