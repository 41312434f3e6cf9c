"""Simulate Discord over HTTP and a gateway, as strict as the real one."""
