"""Declare the commands, handle presses on buttons, and run the loops of the watch and of the audit trail.

Most commands are a few lines: open the reply, find the guest or site, make one call.
"""
