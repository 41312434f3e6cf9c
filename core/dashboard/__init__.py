"""Dashboards: one message each that shows a cluster and keeps itself up to date, and the bot's presence."""
