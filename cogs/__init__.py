"""Declare the commands. Each is a few lines: identify the person, defer, make one call, answer once."""
