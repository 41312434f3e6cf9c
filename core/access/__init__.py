"""Decide who may do what to which guest, where and how often."""
