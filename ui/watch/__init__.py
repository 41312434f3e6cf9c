"""Alerts, /monitor, and the state of the watch."""
