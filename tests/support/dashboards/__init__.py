"""Dashboards of this process."""
