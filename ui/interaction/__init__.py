"""Receive, authorize, acknowledge and answer interactions."""
