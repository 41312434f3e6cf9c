"""Hold the rules of guests, access, actions and the watch.

Standard library only. Nothing here knows Discord, proxmoxer, files or sentences, and time is passed in.
"""
