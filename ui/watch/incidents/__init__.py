"""Describe incidents in words."""
