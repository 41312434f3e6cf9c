"""Carry out orders: plan, send, follow, report."""
