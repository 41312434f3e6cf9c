"""Hold the rules: what a guest is, what may be done to it, and how an action is carried to its end.

Standard library only. Nothing here knows Discord, proxmoxer, files or sentences, and time is passed in.
"""
